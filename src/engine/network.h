// The model's forward and backward pass on one tile of samples, samples along the lanes:
//   h = W x, noise on h,  y = output(V^T h + b),  d = dLoss/d(pre-activation),  e = V d,
// where V is W, or the decoder of an untied model.
// Tiles are [row][sample] with a row every `ld` floats; an odd number of cache lines a
// row keeps rows out of each other's cache sets.

// Noise comes in blocks of this many samples, arithmetic in blocks of `lanes`.
constexpr int64_t tile_multiple = 64;

// Calls block.columns<R, C>(row, s) over all samples, C as wide as registers allow.
template <int R, int C, class Block>
TEGUM_INLINE void rest_of_columns(const Block& block, int64_t row, int64_t s,
                                  int64_t samples) {
    if constexpr (C > 0) {
        if (s + C * L <= samples) {
            block.template columns<R, C>(row, s);
            s += C * L;
        }
        rest_of_columns<R, C / 2>(block, row, s, samples);
    }
}

template <int R, class Block>
TEGUM_INLINE void for_column_blocks(const Block& block, int64_t row, int64_t samples) {
    constexpr int C = columns_for(R);
    int64_t s = 0;
    for (; s + C * L <= samples; s += C * L) block.template columns<R, C>(row, s);
    if (s < samples) rest_of_columns<R, C / 2>(block, row, s, samples);
}

struct Network {
    int n, m;
    int64_t batch;
    bool relu;
    bool untied, rectified, absolute;
    int64_t count;       // parameters, W then b, then the decoder of an untied model
    int64_t padded;      // the same, padded to whole vectors; the padding stays 0
    float* parameters;   // W [m][n], b [n], decoder [m][n]
    float* gradient;     // the same layout
    float* bias_sums;    // [n][L] sums of d over samples, lane by lane
    float* residual;     // 2 I_i / (batch n)
    float l1;            // hidden_l1 / batch

    int64_t tile, ld;
    float *H, *D, *E, *N, *raw;

    float* W() const { return parameters; }
    float* b() const { return parameters + (int64_t)m * n; }
    int64_t decoder_at() const { return untied ? (int64_t)m * n + n : 0; }
    float* decoder() const { return parameters + decoder_at(); }

    void prepare(const Model& model, int64_t tile_samples, Arena& arena) {
        n = model.n;
        m = model.m;
        batch = model.batch;
        relu = model.output == Output::relu;
        untied = model.untied;
        rectified = model.rectified;
        absolute = model.absolute;
        count = (int64_t)m * n + n;
        if (untied) count += (int64_t)m * n;
        padded = round_up(count, lanes);
        l1 = (float)(model.hidden_l1 / (double)batch);
        tile = tile_samples;
        ld = tile + 16;
        parameters = arena.take<float>(padded + 8 * lanes);
        gradient = arena.take<float>(padded + 8 * lanes);
        bias_sums = arena.take<float>((int64_t)n * L);
        residual = arena.take<float>(n + 8 * lanes);
        H = arena.take<float>(m * ld);
        E = arena.take<float>(m * ld);
        D = arena.take<float>(n * ld);
        const bool noisy = model.noise != Noise::none;
        N = arena.take<float>(noisy ? m * ld : 0);
        const bool keeps_raw = model.hidden_l1 > 0 || rectified;
        raw = arena.take<float>(keeps_raw ? m * ld : 0);
        if (!arena.base) return;
        if (!noisy) N = nullptr;
        if (!keeps_raw) raw = nullptr;
        fill(residual, 0, n + 8 * lanes);
        for (int i = 0; i < n; ++i)
            residual[i] = (float)(2.0 * model.importance[i] / ((double)batch * n));
        fill(parameters, 0, padded + 8 * lanes);
        fill(gradient, 0, padded + 8 * lanes);
        for (int64_t j = 0; j < (int64_t)m * n; ++j) parameters[j] = model.W[j];
        for (int i = 0; i < n; ++i) b()[i] = model.b[i];
        if (untied)
            for (int64_t j = 0; j < (int64_t)m * n; ++j) decoder()[j] = model.decoder[j];
    }

    void clear_gradient() {
        fill(gradient, 0, padded);
        fill(bias_sums, 0, (int64_t)n * L);
    }

    void finish_bias() {
        float* db = gradient + (int64_t)m * n;
        for (int i = 0; i < n; ++i) db[i] += sum_lanes(load(bias_sums + (int64_t)i * L));
    }
};

// h = W x with the noise applied on the way out: a factor, a term, or none.
enum class Apply { nothing, factor, term };

template <Apply apply>
struct HiddenBlock {
    const Network& net;
    const float* X;
    int64_t samples;

    template <int R, int C>
    TEGUM_INLINE void columns(int64_t k, int64_t s) const {
        // Copies: a store through a vector could change `net` for all the compiler knows.
        const int64_t ld = net.ld;
        float *H = net.H + k * ld + s, *raw = net.raw;
        const float* N = net.N + k * ld + s;
        if (raw) raw += k * ld + s;
        product_tile<R, C>(
            net.W() + k * net.n, net.n, 1, X + s, ld, net.n, [](int) { return vf{}; },
            [&](vf(&acc)[R][C]) {
                TEGUM_UNROLL
                for (int r = 0; r < R; ++r) {
                    TEGUM_UNROLL
                    for (int c = 0; c < C; ++c) {
                        const int64_t at = r * ld + c * L;
                        vf h = acc[r][c];
                        if (raw) store(raw + at, h);
                        if constexpr (apply == Apply::factor) h *= load(N + at);
                        if constexpr (apply == Apply::term) h += load(N + at);
                        store(H + at, h);
                    }
                }
            });
    }

    template <int R>
    void run(int64_t k) const {
        for_column_blocks<R>(*this, k, samples);
    }
};

template <Apply apply>
void hidden(const Network& net, const float* X, int64_t samples) {
    const HiddenBlock<apply> block{net, X, samples};
    for_row_blocks(net.m, block);
}

// h = relu of what `hidden<Apply::nothing>` left in H, kept in `raw`, then the noise.
inline void rectify(const Network& net, int64_t samples, Apply apply) {
    for (int64_t k = 0; k < net.m; ++k) {
        float *H = net.H + k * net.ld, *raw = net.raw ? net.raw + k * net.ld : nullptr;
        const float* N = net.N + k * net.ld;
        for (int64_t s = 0; s < samples; s += L) {
            vf h = load(H + s);
            h = where(h <= 0.0f, vf{}, h);
            if (raw) store(raw + s, h);
            if (apply == Apply::factor) h *= load(N + s);
            if (apply == Apply::term) h += load(N + s);
            store(H + s, h);
        }
    }
}

inline void hidden_layer(const Network& net, const float* X, int64_t samples,
                         Apply apply) {
    if (net.rectified) {
        hidden<Apply::nothing>(net, X, samples);
        rectify(net, samples, apply);
    } else if (apply == Apply::factor) {
        hidden<Apply::factor>(net, X, samples);
    } else if (apply == Apply::term) {
        hidden<Apply::term>(net, X, samples);
    } else {
        hidden<Apply::nothing>(net, X, samples);
    }
}

// What the read-out leaves behind.
enum class Leave {
    delta,              // D = residual * output'(pre) * (y - x), and its sums over samples
    delta_of_absolute,  // the same with |x|
    delta_of_zero       // as if x were 0; active entries are mended afterwards
};

// y = output(V^T h + b) and what follows from it. With `Tail`, samples from `valid` on are
// padding and count for nothing.
template <Leave leave, bool Relu, bool Tail>
struct ReadOutBlock {
    const Network& net;
    const float* X;
    int64_t samples;
    int64_t valid;

    template <int R, int C>
    TEGUM_INLINE void columns(int64_t i, int64_t s) const {
        const int64_t ld = net.ld;
        const int32_t left = (int32_t)(valid - s);
        const float *b = net.b() + i, *residual = net.residual + i;
        const float* x = leave == Leave::delta_of_zero ? nullptr : X + i * ld + s;
        float *D = net.D + i * ld + s, *sums = net.bias_sums + i * L;
        product_tile<R, C>(
            net.decoder() + i, 1, net.n, net.H + s, ld, net.m,
            [&](int r) { return splat(b[r]); },
            [&](vf(&acc)[R][C]) {
                TEGUM_UNROLL
                for (int r = 0; r < R; ++r) {
                    const vf factor = splat(residual[r]);
                    vf sum = load(sums + r * L);
                    TEGUM_UNROLL
                    for (int c = 0; c < C; ++c) {
                        const vf pre = acc[r][c];
                        vf d = pre;
                        if constexpr (leave == Leave::delta)
                            d = pre - load(x + r * ld + c * L);
                        if constexpr (leave == Leave::delta_of_absolute)
                            d = pre - magnitude(load(x + r * ld + c * L));
                        d *= factor;
                        // A comparison that NaN passes, so that divergence is seen.
                        if constexpr (Relu) d = where(pre <= 0.0f, vf{}, d);
                        if constexpr (Tail)
                            d = where(lane_index() + c * L < left, d, vf{});
                        store(D + r * ld + c * L, d);
                        sum += d;
                    }
                    store(sums + r * L, sum);
                }
            });
    }

    template <int R>
    void run(int64_t i) const {
        for_column_blocks<R>(*this, i, samples);
    }
};

template <Leave leave, bool Relu>
void read_out_with(const Network& net, const float* X, int64_t samples, int64_t valid) {
    if (valid < samples) {
        const ReadOutBlock<leave, Relu, true> block{net, X, samples, valid};
        for_row_blocks(net.n, block);
    } else {
        const ReadOutBlock<leave, Relu, false> block{net, X, samples, valid};
        for_row_blocks(net.n, block);
    }
}

template <Leave leave>
void read_out(const Network& net, const float* X, int64_t samples, int64_t valid) {
    if (net.relu)
        read_out_with<leave, true>(net, X, samples, valid);
    else
        read_out_with<leave, false>(net, X, samples, valid);
}

// e = V d, times the noise factor, plus the gradient of the hidden L1.
template <bool Factor>
struct BackBlock {
    const Network& net;
    int64_t samples;

    template <int R, int C>
    TEGUM_INLINE void columns(int64_t k, int64_t s) const {
        const int64_t ld = net.ld;
        const float *N = net.N + k * ld + s, *raw = net.raw;
        const vf l1 = splat(net.l1);
        float* E = net.E + k * ld + s;
        if (raw) raw += k * ld + s;
        product_tile<R, C>(
            net.decoder() + k * net.n, net.n, 1, net.D + s, ld, net.n,
            [](int) { return vf{}; },
            [&](vf(&acc)[R][C]) {
                TEGUM_UNROLL
                for (int r = 0; r < R; ++r) {
                    TEGUM_UNROLL
                    for (int c = 0; c < C; ++c) {
                        const int64_t at = r * ld + c * L;
                        vf e = acc[r][c];
                        if constexpr (Factor) e *= load(N + at);
                        if (raw) {
                            const vf h = load(raw + at);
                            e += where(h > 0.0f, l1, vf{}) - where(h < 0.0f, l1, vf{});
                        }
                        store(E + at, e);
                    }
                }
            });
    }

    template <int R>
    void run(int64_t k) const {
        for_column_blocks<R>(*this, k, samples);
    }
};

void back(const Network& net, int64_t samples, bool factor) {
    if (factor) {
        const BackBlock<true> block{net, samples};
        for_row_blocks(net.m, block);
    } else {
        const BackBlock<false> block{net, samples};
        for_row_blocks(net.m, block);
    }
}

// e where the hidden layer is active, else 0.
inline void back_through_rectifier(const Network& net, int64_t samples) {
    for (int64_t k = 0; k < net.m; ++k) {
        float *E = net.E + k * net.ld, *raw = net.raw + k * net.ld;
        for (int64_t s = 0; s < samples; s += L)
            store(E + s, where(load(raw + s) <= 0.0f, vf{}, load(E + s)));
    }
}
