// The compact kernel: samples with an active entry are gathered into dense tiles; the
// others only move the bias, in closed form. W x and the x e^T part of dW run over active
// entries alone, with lanes along the hidden units.

// Block transposition between rows[s][k] (k padded to whole vectors) and tile[k][s].
template <int Stage>
TEGUM_INLINE void transpose_stage(vf (&v)[L]) {
    if constexpr (Stage < L) {
        vi low{}, high{};
        for (int l = 0; l < L; ++l) {
            const bool upper = (l / Stage) % 2;
            low[l] = upper ? L + l - Stage : l;
            high[l] = upper ? L + l : l + Stage;
        }
        TEGUM_UNROLL
        for (int j = 0; j < L; ++j)
            if (!((j / Stage) % 2)) {
                const vf a = v[j], b = v[j + Stage];
                v[j] = permute(a, b, low);
                v[j + Stage] = permute(a, b, high);
            }
        transpose_stage<Stage * 2>(v);
    }
}

// The block of L by L numbers at `from`, transposed; rows from `height` on count
// as 0.
TEGUM_INLINE void load_transposed(const float* from, int64_t ld, int64_t height,
                                  vf (&v)[L]) {
    TEGUM_UNROLL
    for (int j = 0; j < L; ++j) v[j] = j < height ? load(from + j * ld) : vf{};
    transpose_stage<1>(v);
}

// W_rows[i][k] = W[k][i], rows padded to mp. Reads and writes whole blocks: behind the
// last feature stands the next row of W, and behind W_rows there is room.
inline void transpose_weights(const Network& net, float* W_rows, int64_t mp) {
    for (int64_t i = 0; i < net.n; i += L)
        for (int64_t k = 0; k < net.m; k += L) {
            vf v[L];
            load_transposed(net.W() + k * net.n + i, net.n, net.m - k, v);
            TEGUM_UNROLL
            for (int j = 0; j < L; ++j) store(W_rows + (i + j) * mp + k, v[j]);
        }
}

// dW[k][i] += dW_rows[i][k].
inline void add_transposed(Network& net, const float* dW_rows, int64_t mp) {
    const int64_t n = net.n, m = net.m;
    int64_t i = 0;
    for (; i + L <= n; i += L)
        for (int64_t k = 0; k < m; k += L) {
            vf v[L];
            load_transposed(dW_rows + i * mp + k, mp, L, v);
            const int64_t height = smaller(L, m - k);
            float* to = net.gradient + k * n + i;
            TEGUM_UNROLL
            for (int j = 0; j < L; ++j)
                if (j < height) store(to + j * n, load(to + j * n) + v[j]);
        }
    for (; i < n; ++i)
        for (int64_t k = 0; k < m; ++k) net.gradient[k * n + i] += dW_rows[i * mp + k];
}

// A sample without active entries has h = 0 whatever the factor, so pre = b.
inline void add_empty_samples(Network& net, int64_t samples) {
    float* db = net.gradient + (int64_t)net.m * net.n;
    for (int64_t i = 0; i < net.n; ++i) {
        const float b = net.b()[i];
        if (!net.relu || !(b <= 0)) db[i] += (float)samples * net.residual[i] * b;
    }
}

inline void leave_events(const Events& events, int64_t n, const Tap& tap) {
    for (int64_t e = 0; e < events.count; ++e)
        tap.x[(events.first_sample + events.sample[e]) * n + events.feature[e]] =
            events.x[e];
}

// Samples with an active entry, `valid` of them from number `slot` on, as a tile of
// `samples` columns, and their events.
struct GatheredTile {
    const Events& events;
    int64_t slot, valid, samples;
    int64_t first, last;

    GatheredTile(const Events& all, int64_t number, int64_t tile)
        : events(all), slot(number) {
        valid = smaller(tile, events.occupied - slot);
        samples = round_up(valid, lanes);
        first = events.first_event(slot);
        last = events.first_event(slot + valid);
    }
};

struct CompactKernel {
    bool dense_rows;  // lay x out as a dense tile
    float* X;         // [n][ld] if so
    int64_t mp;       // else: hidden units padded to whole vectors
    float* W_rows;    // [n][mp], W transposed
    float* dW_rows;   // [n][mp]
    float* rows;      // [tile][mp]: h, then e, sample by sample

    void prepare(const Network& net, Arena& arena) {
        dense_rows = (int64_t)net.n * net.m <= small_model;
        mp = dense_rows ? 0 : round_up(net.m, L);
        X = arena.take<float>(dense_rows ? net.n * net.ld : 0);
        W_rows = arena.take<float>(round_up(net.n, L) * mp);
        dW_rows = arena.take<float>(net.n * mp);
        rows = arena.take<float>((net.tile + L) * mp);
    }

    bool step(Network& net, Sampler& sampler, NoiseSource& noise, const Model&,
              const Control& control, const Tap* tap) {
        const Events& events = sampler.events;
        if (!dense_rows) {
            transpose_weights(net, W_rows, mp);
            fill(dW_rows, 0, net.n * mp);
        }
        net.clear_gradient();
        sampler.rewind();
        int64_t seen = 0;
        while (sampler.more_blocks()) {
            sampler.next_block();
            seen += events.occupied;
            for (int64_t slot = 0; slot < events.occupied; slot += net.tile) {
                if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return false;
                const GatheredTile tile(events, slot, net.tile);
                if (noise.is_factor())
                    noise.fill_tile(net.N, net.ld, round_up(tile.valid, tile_multiple));
                if (dense_rows)
                    run_dense(net, tile, noise.is_factor());
                else
                    run_sparse(net, tile, noise.is_factor());
                if (tap && noise.is_factor()) leave_noise(net, tile, *tap);
            }
            if (tap) leave_events(events, net.n, *tap);
        }
        if (!dense_rows) add_transposed(net, dW_rows, mp);
        net.finish_bias();
        add_empty_samples(net, net.batch - seen);
        return true;
    }

    void run_dense(Network& net, const GatheredTile& tile, bool factor) {
        const Events& events = tile.events;
        const int64_t ld = net.ld;
        for (int i = 0; i < net.n; ++i)
            for (int64_t s = 0; s < tile.samples; s += L) store(X + i * ld + s, vf{});
        float* to = X - tile.slot;
        const float* xs = events.x;
        const int32_t *features = events.feature, *slots = events.slot;
        for (int64_t e = tile.first; e < tile.last; ++e) {
            to[features[e] * ld + slots[e]] = xs[e];
            TEGUM_SCALAR_LOOP;
        }
        if (factor)
            hidden<Apply::factor>(net, X, tile.samples);
        else
            hidden<Apply::nothing>(net, X, tile.samples);
        read_out<Leave::delta>(net, X, tile.samples, tile.valid);
        back(net, tile.samples, factor);
        outer_product<true>(net.H, net.E, net.D, X, ld, tile.samples, net.gradient, net.m,
                            net.n);
    }

    void run_sparse(Network& net, const GatheredTile& tile, bool factor) {
        forward_rows(tile);
        rows_to_tile(net, tile.samples, factor);
        read_out<Leave::delta_of_zero>(net, nullptr, tile.samples, tile.valid);
        mend_active(net, tile);
        back(net, tile.samples, factor);
        outer_product<false>(net.H, nullptr, net.D, nullptr, net.ld, tile.samples,
                             net.gradient, net.m, net.n);
        tile_to_rows(net, tile.samples);
        backward_rows(tile);
    }

    // rows[s] = sum over active entries of x W_i. The sum so far is written after every
    // entry, so that the number of entries of a sample steers no branch.
    template <int V>
    void forward_columns(const GatheredTile& tile, int64_t k) {
        const Events& events = tile.events;
        const int64_t width = mp;
        float* to = rows - tile.slot * width + k;
        const float *W = W_rows + k, *xs = events.x, *mores = events.more;
        const int32_t *features = events.feature, *slots = events.slot;
        vf h[V] = {};
        for (int64_t e = tile.first; e < tile.last; ++e) {
            const float* w = W + features[e] * width;
            float* row = to + slots[e] * width;
            const vf x = splat(xs[e]), more = splat(mores[e]);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) {
                h[v] = h[v] * more + x * load(w + v * L);
                store(row + v * L, h[v]);
            }
        }
    }

    void forward_rows(const GatheredTile& tile) {
        int64_t k = 0;
        for (; k + 2 * L <= mp; k += 2 * L) forward_columns<2>(tile, k);
        if (k < mp) forward_columns<1>(tile, k);
        fill(rows + tile.valid * mp, 0, (tile.samples - tile.valid) * mp);
    }

    // dW_rows[i] += sum over active entries of x e.
    template <int V>
    void backward_columns(const GatheredTile& tile, int64_t k) {
        const Events& events = tile.events;
        const int64_t width = mp;
        const float *from = rows - tile.slot * width + k, *xs = events.x;
        const int32_t *features = events.feature, *slots = events.slot;
        float* dW = dW_rows + k;
        for (int64_t e = tile.first; e < tile.last; ++e) {
            const vf x = splat(xs[e]);
            float* to = dW + features[e] * width;
            const float* row = from + slots[e] * width;
            vf sum[V];
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) sum[v] = load(to + v * L) + x * load(row + v * L);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) store(to + v * L, sum[v]);
        }
    }

    void backward_rows(const GatheredTile& tile) {
        int64_t k = 0;
        for (; k + 2 * L <= mp; k += 2 * L) backward_columns<2>(tile, k);
        if (k < mp) backward_columns<1>(tile, k);
    }

    // d was left as if x were 0; subtract what x changes where the read-out is active.
    void mend_active(Network& net, const GatheredTile& tile) {
        const Events& events = tile.events;
        const uint32_t always = net.relu ? 0u : ~0u;
        float *D = net.D - tile.slot, *sums = net.bias_sums;
        const int64_t ld = net.ld;
        const float *xs = events.x, *residual = net.residual;
        const int32_t *features = events.feature, *slots = events.slot;
        for (int64_t e = tile.first; e < tile.last; ++e) {
            const int64_t i = features[e];
            float& d = D[i * ld + slots[e]];
            const float change =
                when(always | -(uint32_t)(d != 0.0f), residual[i] * xs[e]);
            d -= change;
            sums[i * L] -= change;
        }
    }

    void rows_to_tile(const Network& net, int64_t samples, bool factor) {
        for (int64_t s = 0; s < samples; s += L)
            for (int64_t k = 0; k < mp; k += L) {
                vf v[L];
                TEGUM_UNROLL
                for (int j = 0; j < L; ++j) v[j] = load(rows + (s + j) * mp + k);
                transpose_stage<1>(v);
                const int64_t height = smaller(L, net.m - k);
                TEGUM_UNROLL
                for (int j = 0; j < L; ++j)
                    if (j < height) {
                        const int64_t at = (k + j) * net.ld + s;
                        if (net.raw) store(net.raw + at, v[j]);
                        store(net.H + at, factor ? v[j] * load(net.N + at) : v[j]);
                    }
            }
    }

    void tile_to_rows(const Network& net, int64_t samples) {
        for (int64_t s = 0; s < samples; s += L)
            for (int64_t k = 0; k < mp; k += L) {
                vf v[L];
                const int64_t height = smaller(L, net.m - k);
                TEGUM_UNROLL
                for (int j = 0; j < L; ++j)
                    v[j] = j < height ? load(net.E + (k + j) * net.ld + s) : vf{};
                transpose_stage<1>(v);
                TEGUM_UNROLL
                for (int j = 0; j < L; ++j) store(rows + (s + j) * mp + k, v[j]);
            }
    }

    void leave_noise(const Network& net, const GatheredTile& tile, const Tap& tap) {
        const Events& events = tile.events;
        for (int64_t e = tile.first; e < tile.last; ++e)
            for (int64_t k = 0; k < net.m; ++k)
                tap.noise[(events.first_sample + events.sample[e]) * net.m + k] =
                    net.N[k * net.ld + events.slot[e] - tile.slot];
    }
};
