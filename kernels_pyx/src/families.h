/* The lists of kernel files; meson.build compiles the same lists for each ISA level. */

#ifdef PLAIT_PLANTED_BUGS
#define PLANTED(X) X(planted)
#else
#define PLANTED(X)
#endif

/* Once per level, with the blocked kernels for nchw16c. */
#define FOR_EACH_FAMILY(X) \
    X(conv_naive)          \
    X(conv_gemm_nchw)      \
    X(conv_gemm_nhwc)      \
    X(conv_indirect_nhwc)  \
    X(conv_direct)         \
    X(conv_winograd)       \
    X(dwconv)              \
    X(separable)           \
    X(matmul)              \
    X(pooling)             \
    X(squeeze_excite)      \
    X(unary)               \
    X(binary)              \
    X(norm)                \
    X(reduce)              \
    X(layout)              \
    X(copy)                \
    X(resize)              \
    X(probe)               \
    X(touch)               \
    PLANTED(X)

/* Those with blocked kernels: once more where a vector is shorter than 16 floats, for blocks of one vector. */
#define FOR_EACH_BLOCKED_FAMILY(X) \
    X(conv_direct)                 \
    X(conv_winograd)               \
    X(dwconv)                      \
    X(separable)                   \
    X(pooling)                     \
    X(squeeze_excite)              \
    X(binary)                      \
    X(norm)                        \
    X(layout)                      \
    X(copy)                        \
    X(resize)

/* Low precision: once per level, and once for the levels that extend another one (dispatch.c). */
#define FOR_EACH_LOW_FAMILY(X) \
    X(conv_direct_q8)          \
    X(conv_naive_q8)           \
    X(conv_winograd_q8)        \
    X(probe_q8)                \
    X(adapt_q8)                \
    X(layout_q8)               \
    X(dwconv_q8)               \
    X(binary_q8)               \
    X(pooling_q8)              \
    X(copy_q8)                 \
    X(fc_q8)                   \
    X(fc_stored)               \
    X(matmul_q8)               \
    X(conv_nhwc_q8)            \
    X(resize_q8)               \
    X(reduce_q8)               \
    X(dwconv_nhwc_q8)

/* bfloat16: on the levels of low precision, too.  Sources that others have as well are compiled for other elements. */
#define FOR_EACH_BF16_FAMILY(X) \
    X(conv_direct_bf16)         \
    X(separable_bf16)           \
    X(matmul_bf16)              \
    X(layout_narrow)            \
    X(probe_bf16)               \
    X(dwconv)                   \
    X(pooling)                  \
    X(squeeze_excite)           \
    X(unary)                    \
    X(binary)                   \
    X(fc_stored)                \
    X(conv_winograd)            \
    X(copy)

/* float16: once per level, as there is no arithmetic on it; its elements are widened. */
#define FOR_EACH_F16_FAMILY(X) \
    X(layout_narrow)           \
    X(dwconv)                  \
    X(pooling)                 \
    X(squeeze_excite)          \
    X(unary)                   \
    X(binary)                  \
    X(fc_stored)               \
    X(conv_winograd)           \
    X(copy)
