// One source for every instruction set: vectors of `L` floats in the compiler's own
// vector extension. Included only by isa.cpp, once per instruction set, inside an
// anonymous namespace, so that no inline function compiled for one is linked into another.

#if defined(__AVX512F__)
constexpr int L = 16;
constexpr int vector_registers = 32;
#elif defined(__AVX__)
constexpr int L = 8;
constexpr int vector_registers = 16;
#elif defined(__aarch64__)
constexpr int L = 4;
constexpr int vector_registers = 32;
#else
constexpr int L = 4;
constexpr int vector_registers = 16;
#endif

typedef float vf __attribute__((vector_size(4 * L), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * L), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * L), may_alias));
typedef float vf_unaligned
    __attribute__((vector_size(4 * L), may_alias, aligned(4)));
typedef int32_t vi_unaligned
    __attribute__((vector_size(4 * L), may_alias, aligned(4)));

#define TEGUM_INLINE inline __attribute__((always_inline))
#define TEGUM_UNROLL _Pragma("GCC unroll 20")
#if defined(__x86_64__) && defined(__AVX512F__)
#define TEGUM_KEEP(v) asm volatile("" : "+v"(v))
#elif defined(__x86_64__)
#define TEGUM_KEEP(v) asm volatile("" : "+x"(v))
#elif defined(__aarch64__)
#define TEGUM_KEEP(v) asm volatile("" : "+w"(v))
#else
#define TEGUM_KEEP(v) ((void)0)
#endif

// In a loop that scatters single numbers: vector scatters are slower than plain stores.
#define TEGUM_SCALAR_LOOP asm volatile("")

TEGUM_INLINE vf load(const float* p) { return *(const vf_unaligned*)p; }
TEGUM_INLINE void store(float* p, vf v) { *(vf_unaligned*)p = v; }
TEGUM_INLINE void store(int32_t* p, vi v) { *(vi_unaligned*)p = v; }
// Every lane set, not added to 0: -0 must stay, and a broadcast from memory is free.
template <class V, class T>
TEGUM_INLINE V every_lane(T x) {
#if defined(__AVX512F__)
    return V{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif defined(__AVX__)
    return V{x, x, x, x, x, x, x, x};
#else
    return V{x, x, x, x};
#endif
}
TEGUM_INLINE vf splat(float x) { return every_lane<vf>(x); }
TEGUM_INLINE vi splat(int32_t x) { return every_lane<vi>(x); }
TEGUM_INLINE vu splat(uint32_t x) { return every_lane<vu>(x); }
TEGUM_INLINE vf where(vi mask, vf yes, vf no) { return mask ? yes : no; }
TEGUM_INLINE vf as_float(vi v) { return (vf)v; }
TEGUM_INLINE vi as_int(vf v) { return (vi)v; }
TEGUM_INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }
TEGUM_INLINE vi to_int(vf v) { return __builtin_convertvector(v, vi); }

TEGUM_INLINE vf magnitude(vf v) { return as_float(as_int(v) & 0x7fffffff); }

// `value` where the mask is all ones, 0 where it is 0, without a branch.
TEGUM_INLINE float when(uint32_t mask, float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, 4);
    bits &= mask;
    __builtin_memcpy(&value, &bits, 4);
    return value;
}

TEGUM_INLINE vi lane_index() {
    vi index;
    for (int l = 0; l < L; ++l) index[l] = l;
    return index;
}

#if defined(__clang__)
template <class V>
TEGUM_INLINE V permute(V a, V b, vi mask) {
    V out;
    for (int l = 0; l < L; ++l) out[l] = mask[l] < L ? a[mask[l]] : b[mask[l] - L];
    return out;
}
#else
template <class V>
TEGUM_INLINE V permute(V a, V b, vi mask) {
    return __builtin_shuffle(a, b, mask);
}
#endif

// Lanes of `u` and `v` come in groups of G, each group the partial sums of one number;
// the result holds them in groups of G / 2, those of `u` first.
template <int G>
TEGUM_INLINE vf fold(vf u, vf v) {
    vi low{}, high{};
    for (int l = 0; l < L; ++l) {
        const int half = l % (L / 2);
        const int source = (half / (G / 2)) * G + half % (G / 2) + (l < L / 2 ? 0 : L);
        low[l] = source;
        high[l] = source + G / 2;
    }
    return permute(u, v, low) + permute(u, v, high);
}

template <int G>
TEGUM_INLINE vf fold_down(vf u) {
    if constexpr (G > 1)
        return fold_down<G / 2>(fold<G>(u, u));
    else
        return u;
}

// The sums over lanes of four vectors, in lanes 0 to 3.
TEGUM_INLINE vf sums_of_four(vf a, vf b, vf c, vf d) {
    return fold_down<L / 4>(fold<L / 2>(fold<L>(a, b), fold<L>(c, d)));
}

typedef float v4_unaligned __attribute__((vector_size(16), may_alias, aligned(4)));

// Adds lanes 0 to 3 to four numbers.
TEGUM_INLINE void add_four(float* p, vf v) {
    *(v4_unaligned*)p += (v4_unaligned)__builtin_shufflevector(v, v, 0, 1, 2, 3);
}

TEGUM_INLINE float sum_lanes(vf v) { return fold_down<L>(v)[0]; }

// The sum of lanes 0 to l, in lane l.
template <int Shift>
TEGUM_INLINE vi prefix_sum(vi v) {
    if constexpr (Shift < L) {
        vi mask{};
        for (int l = 0; l < L; ++l) mask[l] = l >= Shift ? l - Shift : L;
        return prefix_sum<Shift * 2>(v + permute(v, vi{}, mask));
    } else {
        return v;
    }
}

// Lane l - 1 of `v` in lane l; the last lane of `before` in lane 0.
TEGUM_INLINE vi shift_in(vi before, vi v) {
    vi mask{};
    for (int l = 0; l < L; ++l) mask[l] = L - 1 + l;
    return permute(before, v, mask);
}

TEGUM_INLINE vi broadcast_last(vi v) {
    vi mask{};
    for (int l = 0; l < L; ++l) mask[l] = L - 1;
    return permute(v, v, mask);
}

TEGUM_INLINE int64_t round_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}
TEGUM_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TEGUM_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// A bump allocator over memory that the caller owns; with no memory it only counts.
struct Arena {
    char* base;
    size_t used = 0;

    template <class T>
    T* take(int64_t count) {
        T* place = base ? (T*)(base + used) : nullptr;
        used += (size_t)round_up(count * (int64_t)sizeof(T) + 64, 64);
        return place;
    }
};

inline void fill(float* p, float value, int64_t count) {
    for (int64_t i = 0; i < count; ++i) p[i] = value;
}
