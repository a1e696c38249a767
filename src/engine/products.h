// Products of small matrices held in register tiles. Lanes run along the contiguous axis
// of Z; the weights are broadcast.

// Vectors across for R rows, so that R * C accumulators, C operands and one broadcast
// stay in registers and the multiply-add latency is hidden.
constexpr int columns_for(int rows) {
    if (vector_registers == 32) return rows <= 2 ? 8 : 4;
    return rows <= 2 ? 4 : 2;
}
constexpr int most_rows = 6;
constexpr int column_multiple = 8;  // every columns_for divides it

// out[r][c] = init(r) + sum_k A[r * ar + k * ak] * Z[k * ldz + c * L], handed to `finish`.
template <int R, int C, class Init, class Finish>
TEGUM_INLINE void product_tile(const float* A, int64_t ar, int64_t ak, const float* Z,
                               int64_t ldz, int64_t K, Init init, Finish finish) {
    vf acc[R][C];
    TEGUM_UNROLL
    for (int r = 0; r < R; ++r) {
        const vf start = init(r);
        TEGUM_UNROLL
        for (int c = 0; c < C; ++c) acc[r][c] = start;
    }
    for (int64_t k = 0; k < K; ++k) {
        vf z[C];
        TEGUM_UNROLL
        for (int c = 0; c < C; ++c) z[c] = load(Z + k * ldz + c * L);
        TEGUM_UNROLL
        for (int r = 0; r < R; ++r) {
            const vf w = splat(A[r * ar + k * ak]);
            TEGUM_UNROLL
            for (int c = 0; c < C; ++c) acc[r][c] += w * z[c];
        }
    }
    finish(acc);
}

// Splits `rows` into blocks of at most `most_rows`, as equal as can be, and calls
// block.template run<R>(first_row) for each.
template <int R, class Block>
TEGUM_INLINE void run_block(int64_t rows, int64_t first, Block& block) {
    if (rows == R)
        block.template run<R>(first);
    else if constexpr (R > 1)
        run_block<R - 1>(rows, first, block);
}

template <class Block>
TEGUM_INLINE void for_row_blocks(int64_t rows, Block& block) {
    const int64_t blocks = (rows + most_rows - 1) / most_rows;
    int64_t first = 0;
    for (int64_t j = 0; j < blocks; ++j) {
        const int64_t height = (rows - first) / (blocks - j);
        run_block<most_rows>(height, first, block);
        first += height;
    }
}

// grad[k * n + i] += sum_s H[k][s] D[i][s] (+ E[k][s] X[i][s] if Both), the sum over lanes.
template <int RK, int RI, bool Both>
TEGUM_INLINE void outer_tile(const float* H, const float* E, const float* D,
                             const float* X, int64_t ld, int64_t samples, float* grad,
                             int64_t n) {
    vf acc[RK][RI] = {};
    for (int64_t s = 0; s < samples; s += L) {
        vf d[RI];
        TEGUM_UNROLL
        for (int i = 0; i < RI; ++i) d[i] = load(D + i * ld + s);
        TEGUM_UNROLL
        for (int k = 0; k < RK; ++k) {
            const vf h = load(H + k * ld + s);
            TEGUM_UNROLL
            for (int i = 0; i < RI; ++i) acc[k][i] += h * d[i];
        }
        if constexpr (Both) {
            TEGUM_UNROLL
            for (int i = 0; i < RI; ++i) d[i] = load(X + i * ld + s);
            TEGUM_UNROLL
            for (int k = 0; k < RK; ++k) {
                const vf e = load(E + k * ld + s);
                TEGUM_UNROLL
                for (int i = 0; i < RI; ++i) acc[k][i] += e * d[i];
            }
        }
    }
    TEGUM_UNROLL
    for (int k = 0; k < RK; ++k) {
        TEGUM_UNROLL
        for (int i = 0; i < RI; i += 4) {
            const vf zero{};
            const vf sums = sums_of_four(acc[k][i], i + 1 < RI ? acc[k][i + 1] : zero,
                                         i + 2 < RI ? acc[k][i + 2] : zero,
                                         i + 3 < RI ? acc[k][i + 3] : zero);
            if constexpr (RI % 4 == 0)
                add_four(grad + k * n + i, sums);
            else
                for (int j = 0; j < 4 && i + j < RI; ++j) grad[k * n + i + j] += sums[j];
        }
    }
}

constexpr int outer_width(int rows) {
    if (vector_registers == 32) return rows <= 2 ? 8 : rows == 3 ? 6 : rows == 4 ? 5 : 4;
    return rows == 1 ? 8 : rows == 2 ? 5 : rows == 3 ? 4 : rows == 4 ? 3 : 2;
}
constexpr int outer_rows = 5;

template <int RK, int RI, bool Both>
TEGUM_INLINE void outer_width_dispatch(int64_t width, const float* H, const float* E,
                                       const float* D, const float* X, int64_t ld,
                                       int64_t samples, float* grad, int64_t n) {
    if (width == RI)
        outer_tile<RK, RI, Both>(H, E, D, X, ld, samples, grad, n);
    else if constexpr (RI > 1)
        outer_width_dispatch<RK, RI - 1, Both>(width, H, E, D, X, ld, samples, grad, n);
}

template <int RK, bool Both>
void outer_rows_block(const float* H, const float* E, const float* D, const float* X,
                      int64_t ld, int64_t samples, float* grad, int64_t n) {
    constexpr int most = outer_width(RK);
    const int64_t blocks = (n + most - 1) / most;
    int64_t i = 0;
    for (int64_t j = 0; j < blocks; ++j) {
        const int64_t width = (n - i) / (blocks - j);
        outer_width_dispatch<RK, most, Both>(width, H, E, D + i * ld,
                                             Both ? X + i * ld : X, ld, samples,
                                             grad + i, n);
        i += width;
    }
}

template <int RK, bool Both>
TEGUM_INLINE void outer_rows_dispatch(int64_t rows, const float* H, const float* E,
                                      const float* D, const float* X, int64_t ld,
                                      int64_t samples, float* grad, int64_t n) {
    if (rows == RK)
        outer_rows_block<RK, Both>(H, E, D, X, ld, samples, grad, n);
    else if constexpr (RK > 1)
        outer_rows_dispatch<RK - 1, Both>(rows, H, E, D, X, ld, samples, grad, n);
}

template <bool Both>
void outer_product(const float* H, const float* E, const float* D, const float* X,
                   int64_t ld, int64_t samples, float* grad, int64_t m, int64_t n) {
    const int64_t blocks = (m + outer_rows - 1) / outer_rows;
    int64_t k = 0;
    for (int64_t j = 0; j < blocks; ++j) {
        const int64_t rows = (m - k) / (blocks - j);
        outer_rows_dispatch<outer_rows, Both>(rows, H + k * ld, Both ? E + k * ld : E, D,
                                              X, ld, samples, grad + k * n, n);
        k += rows;
    }
}
