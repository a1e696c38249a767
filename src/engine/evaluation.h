// The clean loss on a fixed sample: no noise, mean over samples and features of
// I_i (target_i - y_i)^2, plus the hidden L1 term. Squares in float, sums in double. Samples
// without active entries enter in closed form.

struct Evaluation {
    Sampler sampler;
    float* X;
    float* Y;
    int64_t examples;
    uint64_t key;

    void prepare(const Model& model, const Network& net, Arena& arena) {
        examples = model.evaluation_examples;
        key = model.evaluation_key;
        sampler.prepare(model, examples, arena);
        X = arena.take<float>(net.n * net.ld);
        Y = net.D;
    }

    // Y = V^T h + b
    struct PreBlock {
        const Network& net;
        float* Y;
        int64_t samples;
        template <int R, int C>
        TEGUM_INLINE void columns(int64_t i, int64_t s) const {
            const float* b = net.b() + i;
            product_tile<R, C>(
                net.decoder() + i, 1, net.n, net.H + s, net.ld, net.m,
                [&](int r) { return splat(b[r]); },
                [&](vf(&acc)[R][C]) {
                    TEGUM_UNROLL
                    for (int r = 0; r < R; ++r) {
                        TEGUM_UNROLL
                        for (int c = 0; c < C; ++c)
                            store(Y + (i + r) * net.ld + s + c * L, acc[r][c]);
                    }
                });
        }
        template <int R>
        void run(int64_t i) const {
            for_column_blocks<R>(*this, i, samples);
        }
    };

    // The sum over the tile of I_i (target_i - y_i)^2, and of the hidden L1.
    double tile_loss(Network& net, const Model& model, int64_t valid) {
        const int64_t samples = round_up(valid, lanes);
        hidden_layer(net, X, samples, Apply::nothing);
        const PreBlock block{net, Y, samples};
        for_row_blocks(net.n, block);
        double total = 0;
        for (int i = 0; i < net.n; ++i) {
            double row = 0;
            for (int64_t s = 0; s < samples; s += 8 * L) {
                const int64_t end = smaller(s + 8 * L, samples);
                vf sum{};
                for (int64_t c = s; c < end; c += L) {
                    vf y = load(Y + i * net.ld + c);
                    if (net.relu) y = where(y <= 0.0f, vf{}, y);
                    vf x = load(X + i * net.ld + c);
                    if (net.absolute) x = magnitude(x);
                    vf error = x - y;
                    if (end > valid)
                        error = where(lane_index() + (int32_t)c < (int32_t)valid, error,
                                      vf{});
                    sum += error * error;
                }
                row += (double)sum_lanes(sum);
            }
            total += model.importance[i] * row / net.n;
        }
        if (model.hidden_l1 > 0)
            for (int k = 0; k < net.m; ++k) {
                double row = 0;
                for (int64_t s = 0; s < valid; ++s)
                    row += __builtin_fabsf(net.H[k * net.ld + s]);
                total += model.hidden_l1 * row;
            }
        return total;
    }

    double clean_loss(Network& net, const Model& model) {
        sampler.random.start(key);
        float* raw = net.raw;
        net.raw = nullptr;
        const double total =
            sampler.by_event ? sparse(net, model) : dense(net, model);
        net.raw = raw;
        return total / (double)examples;
    }

    double dense(Network& net, const Model& model) {
        DenseTiles source{sampler};
        source.start();
        double total = 0;
        for (int64_t s = 0; s < examples; s += net.tile) {
            const int64_t valid = smaller(net.tile, examples - s);
            source.fill_tile(X, net.ld, s, valid, round_up(valid, tile_multiple));
            total += tile_loss(net, model, valid);
        }
        return total;
    }

    double sparse(Network& net, const Model& model) {
        double total = 0;
        int64_t seen = 0, waiting = 0;
        for (int i = 0; i < net.n; ++i) fill(X + i * net.ld, 0, net.tile);
        sampler.rewind();
        while (sampler.more_blocks()) {
            sampler.next_block();
            const Events& events = sampler.events;
            int32_t previous = -1;
            for (int64_t e = 0; e < events.count; ++e) {
                if (events.sample[e] != previous) {
                    if (waiting == net.tile) {
                        total += tile_loss(net, model, waiting);
                        for (int i = 0; i < net.n; ++i) fill(X + i * net.ld, 0, net.tile);
                        waiting = 0;
                    }
                    ++waiting;
                    ++seen;
                    previous = events.sample[e];
                }
                X[events.feature[e] * net.ld + waiting - 1] = events.x[e];
            }
        }
        if (waiting) total += tile_loss(net, model, waiting);
        return total + (double)(examples - seen) * empty_loss(net, model);
    }

    double empty_loss(const Network& net, const Model& model) const {
        double total = 0;
        for (int i = 0; i < net.n; ++i) {
            const double b = net.b()[i];
            const double y = net.relu && b <= 0 ? 0 : b;
            total += model.importance[i] * y * y / net.n;
        }
        return total;
    }
};
