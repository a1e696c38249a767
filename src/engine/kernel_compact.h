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

// Numbers the samples that have events and notes the first event of each; returns how many
// samples there are.
inline int64_t gather_samples(const Events& events, int32_t* start) {
    int64_t slots = 0;
    int32_t previous = -1;
    for (int64_t e = 0; e < events.count; ++e) {
        if (events.sample[e] != previous) start[slots++] = (int32_t)e;
        previous = events.sample[e];
    }
    start[slots] = (int32_t)events.count;
    return slots;
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

struct CompactKernel {
    int64_t mp;       // hidden units padded to whole vectors
    float* W_rows;    // [n][mp], W transposed
    float* dW_rows;   // [n][mp]
    float* rows;      // [tile][mp]: h, then e, sample by sample
    int32_t* start;   // [slots + 1] first event of each gathered sample

    void prepare(const Network& net, const Sampler& sampler, Arena& arena) {
        mp = round_up(net.m, L);
        W_rows = arena.take<float>(net.n * mp);
        dW_rows = arena.take<float>(net.n * mp);
        rows = arena.take<float>((net.tile + L) * mp);
        start = arena.take<int32_t>(sampler.block_samples + 2);
        if (arena.base) fill(W_rows, 0, net.n * mp);
    }

    bool step(Network& net, Sampler& sampler, NoiseSource& noise, const Model&,
              const Control& control, const Tap* tap) {
        const int64_t n = net.n, m = net.m;
        for (int64_t k = 0; k < m; ++k)
            for (int64_t i = 0; i < n; ++i) W_rows[i * mp + k] = net.W()[k * n + i];
        fill(dW_rows, 0, n * mp);
        net.clear_gradient();
        sampler.rewind();
        int64_t seen = 0;
        while (sampler.more_blocks()) {
            sampler.next_block();
            const int64_t slots = gather_samples(sampler.events, start);
            seen += slots;
            for (int64_t slot = 0; slot < slots; slot += net.tile) {
                if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return false;
                const int64_t valid = smaller(net.tile, slots - slot);
                tile(net, sampler.events, noise, slot, valid);
                if (tap) leave_noise(net, sampler.events, noise, slot, valid, *tap);
            }
            if (tap) leave_events(sampler.events, n, *tap);
        }
        for (int64_t k = 0; k < m; ++k)
            for (int64_t i = 0; i < n; ++i) net.gradient[k * n + i] += dW_rows[i * mp + k];
        net.finish_bias();
        add_empty_samples(net, net.batch - seen);
        return true;
    }

    void tile(Network& net, const Events& events, NoiseSource& noise, int64_t slot,
              int64_t valid) {
        const int64_t samples = round_up(valid, tile_multiple);
        const bool factor = noise.is_factor();
        if (factor) noise.fill_tile(net.N, net.ld, samples);
        forward_rows(events, slot, valid);
        rows_to_tile(net, samples, factor);
        read_out<Leave::delta_of_zero>(net, nullptr, samples, valid);
        mend_active(net, events, slot, valid);
        back(net, samples, factor);
        outer_product<false>(net.H, nullptr, net.D, nullptr, net.ld, samples,
                             net.gradient, net.m, net.n);
        tile_to_rows(net, samples);
        backward_rows(events, slot, valid);
    }

    // rows[s] = sum over active entries of x W_i.
    void forward_rows(const Events& events, int64_t slot, int64_t valid) {
        for (int64_t s = 0; s < valid; ++s) {
            const int32_t first = start[slot + s], last = start[slot + s + 1];
            float* row = rows + s * mp;
            for (int64_t k = 0; k < mp; k += L) {
                vf h{};
                for (int32_t e = first; e < last; ++e)
                    h += events.x[e] * load(W_rows + events.feature[e] * mp + k);
                store(row + k, h);
            }
        }
        const int64_t samples = round_up(valid, tile_multiple);
        fill(rows + valid * mp, 0, (samples - valid) * mp);
    }

    // dW_rows[i] += sum over active entries of x e.
    void backward_rows(const Events& events, int64_t slot, int64_t valid) {
        for (int64_t s = 0; s < valid; ++s) {
            const int32_t first = start[slot + s], last = start[slot + s + 1];
            const float* row = rows + s * mp;
            for (int64_t k = 0; k < mp; k += L) {
                const vf e_row = load(row + k);
                for (int32_t e = first; e < last; ++e) {
                    float* to = dW_rows + events.feature[e] * mp + k;
                    store(to, load(to) + events.x[e] * e_row);
                }
            }
        }
    }

    // d was left as if x were 0; subtract what x changes where the read-out is active.
    void mend_active(Network& net, const Events& events, int64_t slot, int64_t valid) {
        for (int64_t s = 0; s < valid; ++s)
            for (int32_t e = start[slot + s]; e < start[slot + s + 1]; ++e) {
                const int64_t i = events.feature[e];
                float* d = net.D + i * net.ld + s;
                const float change = net.residual[i] * events.x[e];
                const float applied = net.relu && *d == 0.0f ? 0.0f : change;
                *d -= applied;
                net.bias_sums[i * L] -= applied;
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

    void leave_noise(const Network& net, const Events& events, const NoiseSource& noise,
                     int64_t slot, int64_t valid, const Tap& tap) {
        if (!noise.is_factor()) return;
        for (int64_t s = 0; s < valid; ++s) {
            const int64_t sample = events.first_sample + events.sample[start[slot + s]];
            for (int64_t k = 0; k < net.m; ++k)
                tap.noise[sample * net.m + k] = net.N[k * net.ld + s];
        }
    }
};
