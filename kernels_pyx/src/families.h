/* The list of kernel files; meson.build compiles the same list once per ISA level. */
#define FOR_EACH_FAMILY(X) \
    X(conv_naive)          \
    X(conv_gemm_nchw)      \
    X(conv_gemm_nhwc)      \
    X(conv_direct)         \
    X(conv_winograd)       \
    X(dwconv)              \
    X(matmul)              \
    X(pooling)             \
    X(squeeze_excite)      \
    X(unary)               \
    X(binary)              \
    X(norm)                \
    X(reduce)              \
    X(layout)              \
    X(copy)                \
    X(probe)               \
    X(touch)
