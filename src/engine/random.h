// Random words, uniforms, exponentials and normals in 16 logical lanes, whatever the
// instruction set, so that what a stream yields does not depend on the vector width.

constexpr int lanes = 16;
constexpr int NV = lanes / L;  // vectors that make up 16 lanes

TEGUM_INLINE uint64_t splitmix64(uint64_t& state) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

template <int K>
TEGUM_INLINE vu rotate(vu v) {
    return (v << K) | (v >> (32 - K));
}

// xoshiro128++ in every lane (Blackman and Vigna 2021), each lane started from its own
// 128 bits of splitmix64.
struct Random {
    vu s0[NV], s1[NV], s2[NV], s3[NV];

    void start(uint64_t key) {
        for (int l = 0; l < lanes; ++l) {
            const uint64_t a = splitmix64(key), b = splitmix64(key);
            s0[l / L][l % L] = (uint32_t)a;
            s1[l / L][l % L] = (uint32_t)(a >> 32);
            s2[l / L][l % L] = (uint32_t)b;
            s3[l / L][l % L] = (uint32_t)(b >> 32);
        }
    }

    // Lanes `v * L .. v * L + L - 1` of the next word.
    TEGUM_INLINE vu next(int v) {
        const vu result = rotate<7>(s0[v] + s3[v]) + s0[v];
        const vu t = s1[v] << 9;
        s2[v] ^= s0[v];
        s3[v] ^= s1[v];
        s1[v] ^= s2[v];
        s0[v] ^= s3[v];
        s2[v] ^= t;
        s3[v] = rotate<11>(s3[v]);
        return result;
    }
};

// log(1 - w / 2^32) for the word w, accurate relative to its own size also where w is
// small: there the mantissa of 1 - w / 2^32 would have lost what w says.
TEGUM_INLINE vf log_of_complement(vu word) {
    const vu complement = ~word;  // 2^32 - 1 - w, so that 0 never occurs below
    const vf half = to_float((vi)(complement >> 1)) + 0.5f;  // of 2^31
    const vi bits = as_int(half);
    // Centre the mantissa on 1: [sqrt(1/2), sqrt(2)).
    const vi shifted = bits - 0x3f3504f3;
    const vi exponent = shifted >> 23;
    const vf mantissa = as_float((shifted & 0x7fffff) + 0x3f3504f3);
    const vf small = to_float((vi)(word >> 1)) + 0.5f;
    const vi near_one = exponent == 31;
    const vf f = where(near_one & (vi)(word < 0x20000000u), small * -0x1p-31f,
                       mantissa - 1.0f);
    // log1p(f) = 2 atanh(s), s = f / (2 + f)
    const vf s = f / (2.0f + f);
    const vf z = s * s;
    vf p = splat(2.0f / 11.0f);
    p = p * z + 2.0f / 9.0f;
    p = p * z + 2.0f / 7.0f;
    p = p * z + 2.0f / 5.0f;
    p = p * z + 2.0f / 3.0f;
    p = p * z + 2.0f;
    return to_float(exponent - 31) * 0.69314718f + p * s;
}

TEGUM_INLINE vf square_root(vf v) {
    vf out;
    for (int l = 0; l < L; ++l) out[l] = __builtin_sqrtf(v[l]);
    return out;
}

// sin and cos of 2 pi w / 2^32: the two top bits pick the quadrant, the rest the angle
// within it, centred, so that polynomials on [-pi/4, pi/4] suffice.
TEGUM_INLINE void sine_cosine(vu word, vf& sine, vf& cosine) {
    const vi quadrant = (vi)(word >> 30);
    const vi offset = (vi)((word & 0x3fffffffu) >> 0) - 0x20000000;
    const vf a = to_float(offset) * (float)(1.5707963267948966 / 1073741824.0);
    const vf z = a * a;
    vf s = splat(2.7557319e-6f);
    s = s * z - 1.9841270e-4f;
    s = s * z + 8.3333333e-3f;
    s = s * z - 1.6666667e-1f;
    s = s * z * a + a;
    vf c = splat(-2.7557319e-7f);
    c = c * z + 2.4801587e-5f;
    c = c * z - 1.3888889e-3f;
    c = c * z + 4.1666667e-2f;
    c = c * z - 0.5f;
    c = c * z + 1.0f;
    const vi swap = (quadrant & 1) != 0;
    const vf s1 = where(swap, c, s), c1 = where(swap, -s, c);
    const vi flip = (quadrant & 2) != 0;
    sine = where(flip, -s1, s1);
    cosine = where(flip, -c1, c1);
}

// Two independent standard normals in each lane (Box and Muller 1958).
TEGUM_INLINE void normals(Random& random, int v, vf& first, vf& second) {
    const vf radius = square_root(-2.0f * log_of_complement(random.next(v)));
    vf sine, cosine;
    sine_cosine(random.next(v), sine, cosine);
    first = radius * cosine;
    second = radius * sine;
}
