// The Gram kernel, for rows without a noise layer: with G = W^T W the read-out is
//   pre = b + sum over active a of x_a G[a],   dG[a] += x_a d,   dW = W (dG + dG^T),
// so that a sample costs its active entries and never the hidden layer. Columns of G are
// taken in panels that stay in the cache.

// out[r][c] = sum_k A[r * ar + k * ak] Z[k][c] for V vectors of columns, handed to
// `leave(r, c, value)` in pieces that fit the registers.
template <int R, int V, int At, class Leave>
TEGUM_INLINE void product_row(const float* A, int64_t ar, int64_t ak, const float* Z,
                              int64_t ldz, int64_t K, Leave leave) {
    constexpr int most = vector_registers == 32 ? 4 : 2;
    constexpr int pieces = (V - At + most - 1) / most;
    constexpr int C = (V - At) / pieces;
    product_tile<R, C>(
        A, ar, ak, Z + At * L, ldz, K, [](int) { return vf{}; },
        [&](vf(&acc)[R][C]) {
            TEGUM_UNROLL
            for (int r = 0; r < R; ++r) {
                TEGUM_UNROLL
                for (int c = 0; c < C; ++c) leave(r, At + c, acc[r][c]);
            }
        });
    if constexpr (At + C < V) product_row<R, V, At + C>(A, ar, ak, Z, ldz, K, leave);
}

struct GramKernel {
    static constexpr int widest = 6;  // vectors of a panel
    static constexpr int64_t d_floats = 4096;

    int64_t mp;
    int64_t panels;           // near equal in width
    float *G, *dG;            // [n][width of a panel]
    float *W_rows, *dW_rows;  // [n][mp], transposed
    int32_t* order;           // events by panel, then by place
    int64_t* panel_start;     // [panels + 1] into `order`
    float* d_rows;            // [samples of a tile][width of a panel]

    static int64_t vectors(int64_t n) { return (n + L - 1) / L; }

    void prepare(const Network& net, const Sampler& sampler, Arena& arena) {
        panels = (vectors(net.n) + widest - 1) / widest;
        mp = round_up(net.m, L);
        G = arena.take<float>(net.n * widest * L);
        dG = arena.take<float>(net.n * widest * L);
        W_rows = arena.take<float>(round_up(net.n, L) * mp);
        dW_rows = arena.take<float>(net.n * mp);
        d_rows = arena.take<float>(d_floats);
        order = arena.take<int32_t>(sampler.block_samples * net.n + lanes);
        panel_start = arena.take<int64_t>(panels + 2);
    }

    int64_t first_vector(const Network& net, int64_t panel) const {
        return vectors(net.n) * panel / panels;
    }

    bool step(Network& net, Sampler& sampler, NoiseSource&, const Model&,
              const Control& control, const Tap* tap) {
        const Events& events = sampler.events;
        transpose_weights(net, W_rows, mp);
        fill(dW_rows, 0, net.n * mp);
        fill(net.gradient, 0, net.padded);
        sampler.rewind();
        int64_t seen = 0;
        while (sampler.more_blocks()) {
            sampler.next_block();
            seen += events.occupied;
            sort_by_panel(net, events);
            for (int64_t p = 0; p < panels; ++p) {
                if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return false;
                const int64_t first = first_vector(net, p);
                const Panel panel{first * L, first_vector(net, p + 1) - first,
                                  order + panel_start[p], order + panel_start[p + 1]};
                run_width<widest>(net, events, panel);
            }
            if (tap) leave_events(events, net.n, *tap);
        }
        add_transposed(net, dW_rows, mp);
        add_empty_samples(net, net.batch - seen);
        return true;
    }

    // Columns `j` and after of G, and the events whose feature is among them.
    struct Panel {
        int64_t j, vectors;
        const int32_t *own, *own_end;
    };

    void sort_by_panel(const Network& net, const Events& events) {
        for (int64_t p = 0; p <= panels + 1; ++p) panel_start[p] = 0;
        if (panels == 1) {
            for (int64_t e = 0; e < events.count; ++e) order[e] = (int32_t)e;
            panel_start[1] = events.count;
            return;
        }
        // panel_of(i) by the same division that first_vector inverts.
        const int64_t all = vectors(net.n);
        auto panel_of = [&](int32_t i) { return ((i / L + 1) * panels - 1) / all; };
        for (int64_t e = 0; e < events.count; ++e)
            ++panel_start[panel_of(events.feature[e]) + 2];
        for (int64_t p = 2; p <= panels; ++p) panel_start[p] += panel_start[p - 1];
        for (int64_t e = 0; e < events.count; ++e)
            order[panel_start[panel_of(events.feature[e]) + 1]++] = (int32_t)e;
    }

    template <int V>
    void run_width(Network& net, const Events& events, const Panel& panel) {
        if (panel.vectors == V) {
            if (net.relu)
                run_panel<V, true>(net, events, panel);
            else
                run_panel<V, false>(net, events, panel);
        } else if constexpr (V > 1) {
            run_width<V - 1>(net, events, panel);
        }
    }

    // G[a] = sum_k W_ka W_k over the columns of the panel. Columns behind n hold what
    // stands there, the next row; their residual is 0, and so is their d.
    template <int V>
    struct FormBlock {
        const GramKernel& gram;
        const Network& net;
        int64_t j;
        template <int R>
        void run(int64_t a) const {
            product_row<R, V, 0>(net.W() + a, 1, net.n, net.W() + j, net.n, net.m,
                                 [&](int r, int c, vf value) {
                                     store(gram.G + (a + r) * (V * L) + c * L, value);
                                 });
        }
    };

    // dW_k += sum_a W_ka dG[a] over the columns of the panel; columns behind n are 0.
    template <int V>
    struct PullBlock {
        const GramKernel& gram;
        Network& net;
        int64_t j;
        template <int R>
        void run(int64_t k) const {
            product_row<R, V, 0>(net.W() + k * net.n, net.n, 1, gram.dG, V * L, net.n,
                                 [&](int r, int c, vf value) {
                                     float* to =
                                         net.gradient + (k + r) * net.n + j + c * L;
                                     store(to, load(to) + value);
                                 });
        }
    };

    // The transposed half: dW_rows[a] += sum over the panel of dG[a][j] W_rows[j].
    template <int C>
    struct MirrorBlock {
        const GramKernel& gram;
        int64_t width, j, k;
        template <int R>
        void run(int64_t a) const {
            product_row<R, C, 0>(gram.dG + a * width, width, 1,
                                 gram.W_rows + j * gram.mp + k, gram.mp, width,
                                 [&](int r, int c, vf value) {
                                     float* to =
                                         gram.dW_rows + (a + r) * gram.mp + k + c * L;
                                     store(to, load(to) + value);
                                 });
        }
    };

    template <int V, bool Relu>
    void run_panel(Network& net, const Events& events, const Panel& panel) {
        const int64_t n = net.n, j = panel.j;
        const FormBlock<V> form{*this, net, j};
        for_row_blocks(n, form);
        fill(dG, 0, n * V * L);
        run_samples<V, Relu>(net, events, panel);
        const PullBlock<V> pull{*this, net, j};
        for_row_blocks(net.m, pull);
        int64_t k = 0;
        for (; k + 2 * L <= mp; k += 2 * L) {
            const MirrorBlock<2> mirror{*this, V * L, j, k};
            for_row_blocks(n, mirror);
        }
        if (k < mp) {
            const MirrorBlock<1> mirror{*this, V * L, j, k};
            for_row_blocks(n, mirror);
        }
    }

    // d for every sample with active entries, and dG, in tiles of samples. No branch
    // depends on how many entries a sample has.
    template <int V, bool Relu>
    void run_samples(Network& net, const Events& events, const Panel& panel) {
        constexpr int64_t tile = d_floats / (V * L);
        float* db = net.gradient + (int64_t)net.m * net.n + panel.j;
        const int32_t* own = panel.own;
        vf sums[V] = {};
        for (int64_t slot = 0; slot < events.occupied; slot += tile) {
            const int64_t valid = smaller(tile, events.occupied - slot);
            const int64_t first = events.first_event(slot);
            const int64_t last = events.first_event(slot + valid);
            forward<V>(events, first, last, slot);
            delta<V, Relu>(net, valid, panel.j, sums);
            own = mend<V, Relu>(net, events, own, panel.own_end, last, slot, panel.j);
            spread<V>(events, first, last, slot);
        }
        TEGUM_UNROLL
        for (int v = 0; v < V; ++v) store(db + v * L, load(db + v * L) + sums[v]);
    }

    // d_rows[s] = sum over active entries of x G[i], written after every entry. (Pointers
    // are copied here and below: a store could change them for all the compiler knows.)
    template <int V>
    void forward(const Events& events, int64_t first, int64_t last, int64_t slot) {
        constexpr int64_t width = V * L;
        float* to = d_rows - slot * width;
        const float *from = G, *xs = events.x, *mores = events.more;
        const int32_t *features = events.feature, *slots = events.slot;
        vf pre[V] = {};
        for (int64_t e = first; e < last; ++e) {
            const float* g = from + features[e] * width;
            float* row = to + slots[e] * width;
            const vf x = splat(xs[e]), more = splat(mores[e]);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) {
                pre[v] = pre[v] * more + x * load(g + v * L);
                store(row + v * L, pre[v]);
            }
        }
    }

    // d as if x were 0, and its sums over samples.
    template <int V, bool Relu>
    void delta(const Network& net, int64_t valid, int64_t j, vf (&sums)[V]) {
        vf bias[V], factor[V];
        TEGUM_UNROLL
        for (int v = 0; v < V; ++v) {
            bias[v] = load(net.b() + j + v * L);
            factor[v] = load(net.residual + j + v * L);
        }
        float* row = d_rows;
        for (int64_t s = 0; s < valid; ++s, row += V * L) {
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) {
                const vf pre = load(row + v * L) + bias[v];
                vf d = pre * factor[v];
                if constexpr (Relu) d = where(pre <= 0.0f, vf{}, d);
                store(row + v * L, d);
                sums[v] += d;
            }
        }
    }

    // Subtracts from d what the x of an entry changes where the read-out is active, for
    // the panel's own entries before `last`; returns where they end.
    template <int V, bool Relu>
    const int32_t* mend(Network& net, const Events& events, const int32_t* own,
                        const int32_t* end, int64_t last, int64_t slot, int64_t j) {
        constexpr int64_t width = V * L;
        float *d_at = d_rows - slot * width - j, *db = net.gradient + (int64_t)net.m * net.n;
        const float *xs = events.x, *residual = net.residual;
        const int32_t *features = events.feature, *slots = events.slot;
        for (; own < end && *own < last; ++own) {
            const int64_t e = *own, i = features[e];
            float& d = d_at[slots[e] * width + i];
            const uint32_t active = Relu ? -(uint32_t)(d != 0.0f) : ~0u;
            const float change = when(active, residual[i] * xs[e]);
            d -= change;
            db[i] -= change;
        }
        return own;
    }

    // dG[i] += x d over active entries.
    template <int V>
    void spread(const Events& events, int64_t first, int64_t last, int64_t slot) {
        constexpr int64_t width = V * L;
        float* to = dG;
        const float *from = d_rows - slot * width, *xs = events.x;
        const int32_t *features = events.feature, *slots = events.slot;
        for (int64_t e = first; e < last; ++e) {
            float* g = to + features[e] * width;
            const float* d = from + slots[e] * width;
            const vf x = splat(xs[e]);
            vf sum[V];
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) sum[v] = load(g + v * L) + x * load(d + v * L);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) store(g + v * L, sum[v]);
        }
    }
};
