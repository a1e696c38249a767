// The one sampler: x_i = 0 with probability 1 - q_i, else uniform on [0, 1) or [-1, 1).
// What it draws is a function of (n, q, law of values and of activity, batch, key) alone,
// never of the kernel that it feeds.

// The active entries of a block of samples, in order of sample, then feature.
struct Events {
    int64_t count;
    int64_t first_sample, samples;  // the block
    int32_t* sample;                // within the block
    int32_t* feature;
    float* x;
    // The samples that have an active entry are numbered in order.
    int64_t occupied;
    int32_t* slot;  // of each event, the number of its sample
    float* more;    // 0 for the first event of a sample, else 1

    // The first event of a numbered sample.
    int64_t first_event(int64_t number) const {
        if (number == 0) return 0;
        if (number == occupied) return count;
        int64_t low = 0, high = count;
        while (low < high) {
            const int64_t middle = (low + high) / 2;
            if (slot[middle] < number)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
};

struct Sampler {
    int n;
    int64_t batch;
    bool by_event;  // else one word for every entry
    bool thin;      // the probabilities differ
    bool certain;   // all are 1
    bool two_sided;
    Activity activity;
    int group;
    uint32_t share;  // of 2^32, that falls to each group or to each feature of one
    float active;
    float inverse_log;
    float inverse_n;
    int64_t block_samples;
    float* scale;  // dense: 2^-24 / q_i; events: q_max / q_i
    Random random;
    Events events;

    // So few entries that float arithmetic finds an entry's sample exactly.
    static constexpr int64_t block_entries = 1 << 20;

    void prepare(const Model& model, int64_t samples, Arena& arena) {
        n = model.n;
        batch = samples;
        const double q = largest_probability(model);
        by_event = drawn_by_event(model);
        two_sided = model.two_sided;
        activity = model.activity;
        group = model.group;
        share = share_of_words(q, activity == Activity::anticorrelated ? group : 1);
        active = (float)model.active;
        block_samples = smaller(samples, larger(1, block_entries / n));
        inverse_n = 1.0f / (float)n;
        inverse_log = (float)(1.0 / __builtin_log1p(-q));
        thin = false;
        certain = true;
        scale = arena.take<float>(n);
        const int64_t capacity = by_event ? block_samples * n + lanes : 0;
        events.sample = arena.take<int32_t>(capacity);
        events.feature = arena.take<int32_t>(capacity);
        events.x = arena.take<float>(capacity);
        events.slot = arena.take<int32_t>(capacity);
        events.more = arena.take<float>(capacity);
        if (!arena.base) return;
        for (int i = 0; i < n; ++i) {
            const double qi = model.probability[i];
            thin = thin || qi != q;
            certain = certain && qi == 1;
            scale[i] = (float)(by_event ? q / qi : 0x1p-24 / qi);
        }
        rewind();
    }

    // Before the first block of a minibatch.
    void rewind() {
        events.first_sample = 0;
        events.samples = 0;
        events.count = 0;
    }

    bool more_blocks() const { return events.first_sample + events.samples < batch; }

    // Draws the next block by geometric skips from active entry to active entry at the
    // largest probability; where probabilities differ, an entry is then kept with
    // probability q_i / q_max.
    void next_block() {
        events.first_sample += events.samples;
        events.samples = smaller(block_samples, batch - events.first_sample);
        const int64_t entries = events.samples * n;
        const vf farthest = splat((float)(2 * block_entries));
        vi last = splat(-1);  // the last entry reached, in every lane
        int64_t count = 0;
        vi previous = splat(-1), slots = splat(-1);
        Random r = random;
        do {
            vi skip[NV];
            for (int v = 0; v < NV; ++v) {
                const vf s = log_of_complement(r.next(v)) * inverse_log;
                skip[v] = to_int(where(s < farthest, s, farthest)) + 1;
            }
            for (int v = 0; v < NV; ++v) {
                const vi entry = prefix_sum<1>(skip[v]) + last;
                const vi s = to_int((to_float(entry) + 0.5f) * inverse_n);
                store(events.sample + count + v * L, s);
                store(events.feature + count + v * L, entry - s * n);
                store(events.x + count + v * L, to_float((vi)(r.next(v) >> 8)) * 0x1p-24f);
                const vi same = s == shift_in(previous, s);
                slots = broadcast_last(slots) + prefix_sum<1>(same + 1);
                store(events.slot + count + v * L, slots);
                store(events.more + count + v * L, to_float(-same));
                previous = s;
                last = broadcast_last(entry);
                // Behind the end of the block nothing may overflow.
                last = last < splat((int32_t)(2 * block_entries))
                           ? last
                           : splat((int32_t)(2 * block_entries));
            }
            count += lanes;
        } while (last[0] < entries - 1);
        random = r;
        int64_t behind = 0;
        for (int64_t e = count - lanes; e < count; ++e)
            behind += events.sample[e] >= events.samples;
        events.count = count - behind;
        if (thin) keep_accepted();
        if (two_sided)
            for (int64_t e = 0; e < events.count; ++e)
                events.x[e] = 2.0f * events.x[e] - 1.0f;
        events.occupied = events.count ? events.slot[events.count - 1] + 1 : 0;
    }

    void keep_accepted() {
        int64_t kept = 0;
        int32_t slots = -1, previous = -1;
        for (int64_t e = 0; e < events.count; ++e) {
            const float x = events.x[e] * scale[events.feature[e]];
            const int32_t sample = events.sample[e];
            const int32_t accepted = x < 1.0f, opens = sample != previous;
            events.sample[kept] = sample;
            events.feature[kept] = events.feature[e];
            events.x[kept] = x;
            events.more[kept] = (float)(1 - opens);
            events.slot[kept] = slots + opens;
            slots += accepted & opens;
            previous = accepted ? sample : previous;
            kept += accepted;
        }
        events.count = kept;
    }

    // Every entry of `samples` (a multiple of 64) samples into x[i * ld + s].
    template <bool Certain, bool TwoSided>
    void draw_entries(float* x, int64_t ld, int64_t samples) {
        Random r = random;
        const float* factors = scale;
        const int n = this->n;
        for (int64_t s = 0; s < samples; s += 64)
            for (int i = 0; i < n; ++i) {
                float* row = x + i * ld + s;
                const float factor = factors[i];
                TEGUM_UNROLL
                for (int c = 0; c < 4; ++c) {
                    TEGUM_UNROLL
                    for (int v = 0; v < NV; ++v) {
                        vf u = to_float((vi)(r.next(v) >> 8)) * factor;
                        if constexpr (TwoSided) {
                            const vf value = 2.0f * u - 1.0f;
                            u = Certain ? value : where(u < 1.0f, value, vf{});
                        } else if constexpr (!Certain) {
                            u = where(u < 1.0f, u, vf{});
                        }
                        store(row + c * lanes + v * L, u);
                    }
                }
            }
        random = r;
    }

    // How many words of 2^32 make up the probability, for each of `parts` that share them.
    static uint32_t share_of_words(double probability, int parts) {
        const double words = probability * 0x1p32 + 0.5, most = 0x1p32 / parts;
        if (words < most) return (uint32_t)words;
        return most < 0x1p32 ? (uint32_t)most : ~0u;
    }

    template <bool TwoSided>
    TEGUM_INLINE vf value_of(vu word) const {
        const vf u = to_float((vi)(word >> 8)) * 0x1p-24f;
        return TwoSided ? 2.0f * u - 1.0f : u;
    }

    // The same where features are not independent, one sample a lane.
    template <bool TwoSided>
    void draw_together(float* x, int64_t ld, int64_t samples) {
        Random r = random;
        for (int64_t s = 0; s < samples; s += lanes)
            for (int v = 0; v < NV; ++v) {
                float* column = x + s + v * L;
                if (activity == Activity::correlated)
                    draw_whole_groups<TwoSided>(r, v, column, ld);
                else if (activity == Activity::anticorrelated)
                    draw_one_of_groups<TwoSided>(r, v, column, ld);
                else
                    draw_exactly<TwoSided>(r, v, column, ld);
            }
        random = r;
    }

    // A word for each group, active as a whole below `share`, and one for each value.
    template <bool TwoSided>
    TEGUM_INLINE void draw_whole_groups(Random& r, int v, float* x, int64_t ld) const {
        for (int i = 0; i < n; i += group) {
            const vi on = (vi)(r.next(v) <= splat(share - (share != ~0u)));
            for (int j = i; j < i + group; ++j)
                store(x + j * ld, where(on, value_of<TwoSided>(r.next(v)), vf{}));
        }
    }

    // A word for each group, whose features take `share` words each, and one for the
    // value: at most one of them is active.
    template <bool TwoSided>
    TEGUM_INLINE void draw_one_of_groups(Random& r, int v, float* x, int64_t ld) const {
        for (int i = 0; i < n; i += group) {
            vu word = r.next(v);
            const vf value = value_of<TwoSided>(r.next(v));
            for (int j = i; j < i + group; ++j, word -= splat(share))
                store(x + j * ld, where((vi)(word < splat(share)), value, vf{}));
        }
    }

    // Each feature in turn, with probability (active still to come) / (features still to
    // come): every set of so many features is equally likely (Fan, Muller and Rezucha
    // 1962).
    template <bool TwoSided>
    TEGUM_INLINE void draw_exactly(Random& r, int v, float* x, int64_t ld) const {
        vf wanted = splat(active);
        for (int i = 0; i < n; ++i) {
            const vi on = value_of<false>(r.next(v)) * (float)(n - i) < wanted;
            wanted -= where(on, splat(1.0f), vf{});
            store(x + i * ld, where(on, value_of<TwoSided>(r.next(v)), vf{}));
        }
    }
};

// A minibatch as dense tiles: x[i * ld + s] for samples `first .. first + count - 1`,
// zero in the padding up to `padded`. Tiles are asked for in order.
struct DenseTiles {
    Sampler& sampler;
    int64_t cursor = 0;

    void start() {
        sampler.rewind();
        cursor = 0;
    }

    template <bool TwoSided>
    void draw(float* x, int64_t ld, int64_t samples) {
        if (sampler.activity != Activity::independent)
            sampler.draw_together<TwoSided>(x, ld, samples);
        else if (sampler.certain)
            sampler.draw_entries<true, TwoSided>(x, ld, samples);
        else
            sampler.draw_entries<false, TwoSided>(x, ld, samples);
    }

    void fill_tile(float* x, int64_t ld, int64_t first, int64_t count, int64_t padded) {
        const int n = sampler.n;
        if (!sampler.by_event) {
            if (sampler.two_sided)
                draw<true>(x, ld, padded);
            else
                draw<false>(x, ld, padded);
            if (count < padded)
                for (int i = 0; i < n; ++i) fill(x + i * ld + count, 0.0f, padded - count);
            return;
        }
        for (int i = 0; i < n; ++i) fill(x + i * ld, 0.0f, padded);
        const Events& events = sampler.events;
        for (;;) {
            const int64_t offset = events.first_sample - first;
            for (; cursor < events.count; ++cursor) {
                const int64_t s = events.sample[cursor] + offset;
                if (s >= count) return;
                x[events.feature[cursor] * ld + s] = events.x[cursor];
            }
            if (events.first_sample + events.samples >= first + count) return;
            sampler.next_block();
            cursor = 0;
        }
    }
};

// The noise of the hidden layer, from a stream of its own: one word for every unit of a
// sample at every rate, 0 included, compared with a threshold, so that a higher rate
// drops a superset.
struct NoiseSource {
    Noise kind;
    int m;
    float keep_scale, spread;
    int32_t threshold;
    Random random;

    void prepare(const Model& model) {
        kind = model.noise;
        m = model.m;
        const double p = model.rate;
        threshold = (int32_t)(p * 0x1p31);
        keep_scale = (float)(1.0 / (1.0 - p));
        spread = (float)(kind == Noise::multiplicative ? __builtin_sqrt(p / (1 - p))
                                                       : model.noise_std);
    }

    bool is_factor() const {
        return kind == Noise::dropout || kind == Noise::multiplicative;
    }
    bool is_term() const {
        return kind == Noise::additive || kind == Noise::matched;
    }

    // The factor or the term for `samples` (a multiple of 64) samples.
    void fill_tile(float* noise, int64_t ld, int64_t samples) {
        Random r = random;
        const int m = this->m;
        const int32_t threshold = this->threshold;
        const float keep_scale = this->keep_scale, spread = this->spread;
        if (kind == Noise::dropout) {
            for (int64_t s = 0; s < samples; s += 64)
                for (int k = 0; k < m; ++k) {
                    float* row = noise + k * ld + s;
                    TEGUM_UNROLL
                    for (int c = 0; c < 4; ++c) {
                        TEGUM_UNROLL
                        for (int v = 0; v < NV; ++v) {
                            const vi u = (vi)(r.next(v) >> 1);
                            store(row + c * lanes + v * L,
                                  where(u >= threshold, splat(keep_scale), vf{}));
                        }
                    }
                }
        } else {
            const float shift = is_factor() ? 1.0f : 0.0f;
            for (int64_t s = 0; s < samples; s += 2 * lanes)
                for (int k = 0; k < m; ++k)
                    for (int v = 0; v < NV; ++v) {
                        float* row = noise + k * ld + s + v * L;
                        vf a, b;
                        normals(r, v, a, b);
                        store(row, a * spread + shift);
                        store(row + lanes, b * spread + shift);
                    }
        }
        random = r;
    }
};
