/* ISA levels: what was compiled, and what this processor runs. */
#include "dispatch.h"
#include "families.h"

#include <stddef.h>

#define DECLARE_BASELINE(name) extern const struct family plait_##name##__baseline;
#define DECLARE_AVX2(name) extern const struct family plait_##name##__avx2;
#define DECLARE_BASELINE_4(name) extern const struct family plait_##name##__baseline_nchw4c;
#define DECLARE_AVX2_8(name) extern const struct family plait_##name##__avx2_nchw8c;
#define DECLARE_AVX512(name) extern const struct family plait_##name##__avx512;
#define DECLARE_AVX512VNNI(name) extern const struct family plait_##name##__avx512vnni;
#define DECLARE_BASELINE_F16(name) extern const struct family plait_##name##__baseline_f16;
#define DECLARE_BASELINE_BF16(name) extern const struct family plait_##name##__baseline_bf16;
#define DECLARE_AVX2_F16(name) extern const struct family plait_##name##__avx2_f16;
#define DECLARE_AVX2_BF16(name) extern const struct family plait_##name##__avx2_bf16;
#define DECLARE_AVX512_F16(name) extern const struct family plait_##name##__avx512_f16;
#define DECLARE_AVX512_BF16(name) extern const struct family plait_##name##__avx512_bf16;
#define DECLARE_AVX512VNNI_BF16(name) extern const struct family plait_##name##__avx512vnni_bf16;
#define ENTRY_BASELINE(name) &plait_##name##__baseline,
#define ENTRY_AVX2(name) &plait_##name##__avx2,
#define ENTRY_BASELINE_4(name) &plait_##name##__baseline_nchw4c,
#define ENTRY_AVX2_8(name) &plait_##name##__avx2_nchw8c,
#define ENTRY_AVX512(name) &plait_##name##__avx512,
#define ENTRY_AVX512VNNI(name) &plait_##name##__avx512vnni,
#define ENTRY_BASELINE_F16(name) &plait_##name##__baseline_f16,
#define ENTRY_BASELINE_BF16(name) &plait_##name##__baseline_bf16,
#define ENTRY_AVX2_F16(name) &plait_##name##__avx2_f16,
#define ENTRY_AVX2_BF16(name) &plait_##name##__avx2_bf16,
#define ENTRY_AVX512_F16(name) &plait_##name##__avx512_f16,
#define ENTRY_AVX512_BF16(name) &plait_##name##__avx512_bf16,
#define ENTRY_AVX512VNNI_BF16(name) &plait_##name##__avx512vnni_bf16,

FOR_EACH_FAMILY(DECLARE_BASELINE)
FOR_EACH_LOW_FAMILY(DECLARE_BASELINE)
FOR_EACH_BF16_FAMILY(DECLARE_BASELINE_BF16)
FOR_EACH_F16_FAMILY(DECLARE_BASELINE_F16)
FOR_EACH_BLOCKED_FAMILY(DECLARE_BASELINE_4)
static const struct family *const baseline_families[] = {
    FOR_EACH_FAMILY(ENTRY_BASELINE) FOR_EACH_LOW_FAMILY(ENTRY_BASELINE) FOR_EACH_BLOCKED_FAMILY(ENTRY_BASELINE_4)
        FOR_EACH_BF16_FAMILY(ENTRY_BASELINE_BF16) FOR_EACH_F16_FAMILY(ENTRY_BASELINE_F16) NULL,
};
#ifdef PLAIT_HAS_AVX2
FOR_EACH_FAMILY(DECLARE_AVX2)
FOR_EACH_LOW_FAMILY(DECLARE_AVX2)
FOR_EACH_BF16_FAMILY(DECLARE_AVX2_BF16)
FOR_EACH_F16_FAMILY(DECLARE_AVX2_F16)
FOR_EACH_BLOCKED_FAMILY(DECLARE_AVX2_8)
static const struct family *const avx2_families[] = {
    FOR_EACH_FAMILY(ENTRY_AVX2) FOR_EACH_LOW_FAMILY(ENTRY_AVX2) FOR_EACH_BLOCKED_FAMILY(ENTRY_AVX2_8)
        FOR_EACH_BF16_FAMILY(ENTRY_AVX2_BF16) FOR_EACH_F16_FAMILY(ENTRY_AVX2_F16) NULL,
};
#endif
#ifdef PLAIT_HAS_AVX512
FOR_EACH_FAMILY(DECLARE_AVX512)
FOR_EACH_LOW_FAMILY(DECLARE_AVX512)
FOR_EACH_BF16_FAMILY(DECLARE_AVX512_BF16)
FOR_EACH_F16_FAMILY(DECLARE_AVX512_F16)
static const struct family *const avx512_families[] = {
    FOR_EACH_FAMILY(ENTRY_AVX512) FOR_EACH_LOW_FAMILY(ENTRY_AVX512) FOR_EACH_BF16_FAMILY(ENTRY_AVX512_BF16)
        FOR_EACH_F16_FAMILY(ENTRY_AVX512_F16) NULL,
};
#endif
#ifdef PLAIT_HAS_AVX512VNNI
FOR_EACH_LOW_FAMILY(DECLARE_AVX512VNNI)
FOR_EACH_BF16_FAMILY(DECLARE_AVX512VNNI_BF16)
static const struct family *const avx512vnni_families[] = {
    FOR_EACH_LOW_FAMILY(ENTRY_AVX512VNNI) FOR_EACH_BF16_FAMILY(ENTRY_AVX512VNNI_BF16) NULL,
};
#endif

static const struct family *const *const levels[ISA_LEVELS] = {
    baseline_families,
#ifdef PLAIT_HAS_AVX2
    [1] = avx2_families,
#endif
#ifdef PLAIT_HAS_AVX512
    [2] = avx512_families,
#endif
#ifdef PLAIT_HAS_AVX512VNNI
    [3] = avx512vnni_families,
#endif
};

const char *isa_name(int level)
{
    static const char *const names[ISA_LEVELS] = {"baseline", "avx2", "avx512", "avx512vnni"};
    return names[level];
}

int isa_extends(int level)
{
    return level == 3 ? 2 : -1;
}

const char *isa_refusal(int level)
{
    if (!levels[level])
        return "not compiled into this build";
#if defined __x86_64__ || defined __i386__
    __builtin_cpu_init();
    if (level == 1 && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("f16c")))
        return "the processor lacks AVX2, FMA or F16C";
    if (level == 2 && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")))
        return "the processor lacks AVX-512 F, VL, BW or DQ";
    if (level == 3 && !(__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                        __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bf16")))
        return "the processor lacks AVX-512 VNNI, VBMI, VBMI2 or BF16";
#endif
    return isa_extends(level) < 0 ? NULL : isa_refusal(isa_extends(level));
}

int64_t kernel_count(int level)
{
    int64_t count = 0;
    for (const struct family *const *family = levels[level]; family && *family; family++)
        count += (*family)->count;
    return count;
}

const struct kernel *kernel_at(int level, int64_t index)
{
    for (const struct family *const *family = levels[level]; *family; family++) {
        if (index < (*family)->count)
            return &(*family)->kernels[index];
        index -= (*family)->count;
    }
    return NULL;
}
