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

    int64_t mp, panel;        // panel: floats
    int64_t tile;             // samples whose d are held at a time
    float *G, *dG;            // [n][panel]
    float *W_rows, *dW_rows;  // [n][mp], transposed
    float* W_panel;           // [m][panel]
    float* d_rows;            // [tile + 1][panel]; the last row takes what is not wanted

    static int64_t vectors(int64_t n) { return (n + L - 1) / L; }

    void prepare(const Network& net, Arena& arena) {
        const int64_t panels = (vectors(net.n) + widest - 1) / widest;
        mp = round_up(net.m, L);
        panel = (vectors(net.n) + panels - 1) / panels * L;
        G = arena.take<float>(net.n * panel);
        dG = arena.take<float>(net.n * panel);
        W_rows = arena.take<float>(round_up(net.n, panel) * mp);
        dW_rows = arena.take<float>(net.n * mp);
        W_panel = arena.take<float>(net.m * panel);
        tile = 8192 / panel;
        d_rows = arena.take<float>((tile + 1) * panel);
        if (arena.base) fill(W_rows, 0, round_up(net.n, panel) * mp);
    }

    bool step(Network& net, Sampler& sampler, NoiseSource&, const Model&,
              const Control& control, const Tap* tap) {
        const int64_t n = net.n;
        transpose_weights(net, W_rows, mp);
        fill(dW_rows, 0, n * mp);
        fill(net.gradient, 0, net.padded);
        sampler.rewind();
        int64_t seen = 0;
        while (sampler.more_blocks()) {
            sampler.next_block();
            seen += sampler.events.occupied;
            for (int64_t j = 0; j < n; j += panel) {
                if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return false;
                run_width<widest>(net, sampler.events, j);
            }
            if (tap) leave_events(sampler.events, n, *tap);
        }
        add_transposed(net, dW_rows, mp);
        add_empty_samples(net, net.batch - seen);
        return true;
    }

    template <int V>
    void run_width(Network& net, const Events& events, int64_t j) {
        if (panel == V * L) {
            if (net.relu)
                run_panel<V, true>(net, events, j);
            else
                run_panel<V, false>(net, events, j);
        } else if constexpr (V > 1) {
            run_width<V - 1>(net, events, j);
        }
    }

    // G[a] = sum_k W_ka W_k over the columns of the panel.
    template <int V>
    struct FormBlock {
        const GramKernel& gram;
        const Network& net;
        template <int R>
        void run(int64_t a) const {
            product_row<R, V, 0>(net.W() + a, 1, net.n, gram.W_panel, V * L, net.m,
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
            product_row<R, C, 0>(gram.dG + a * gram.panel, gram.panel, 1,
                                 gram.W_rows + j * gram.mp + k, gram.mp, width,
                                 [&](int r, int c, vf value) {
                                     float* to =
                                         gram.dW_rows + (a + r) * gram.mp + k + c * L;
                                     store(to, load(to) + value);
                                 });
        }
    };

    template <int V, bool Relu>
    void run_panel(Network& net, const Events& events, int64_t j) {
        const int64_t n = net.n, width = smaller(panel, n - j);
        for (int64_t k = 0; k < net.m; ++k)
            for (int64_t i = 0; i < panel; ++i)
                W_panel[k * panel + i] = i < width ? net.W()[k * n + j + i] : 0.0f;
        const FormBlock<V> form{*this, net};
        for_row_blocks(n, form);
        fill(dG, 0, n * panel);
        run_samples<V, Relu>(net, events, j);
        const PullBlock<V> pull{*this, net, j};
        for_row_blocks(net.m, pull);
        int64_t k = 0;
        for (; k + 2 * L <= mp; k += 2 * L) {
            const MirrorBlock<2> mirror{*this, width, j, k};
            for_row_blocks(n, mirror);
        }
        if (k < mp) {
            const MirrorBlock<1> mirror{*this, width, j, k};
            for_row_blocks(n, mirror);
        }
    }

    // d for every sample with active entries, and dG, in tiles of samples. No branch
    // depends on how many entries a sample has.
    template <int V, bool Relu>
    void run_samples(Network& net, const Events& events, int64_t j) {
        float* db = net.gradient + (int64_t)net.m * net.n + j;
        vf sums[V] = {};
        for (int64_t slot = 0; slot < events.occupied; slot += tile) {
            const int64_t valid = smaller(tile, events.occupied - slot);
            const int64_t first = events.first_event(slot);
            const int64_t last = events.first_event(slot + valid);
            forward<V>(net, events, first, last, slot, j);
            delta<V, Relu>(net, valid, j, sums);
            mend<V>(net, events, first, last, slot, j, Relu ? 0u : ~0u);
            spread<V>(events, first, last, slot);
        }
        TEGUM_UNROLL
        for (int v = 0; v < V; ++v) store(db + v * L, load(db + v * L) + sums[v]);
    }

    // d_rows[s] = sum over active entries of x G[i], written after every entry.
    template <int V>
    void forward(const Network&, const Events& events, int64_t first, int64_t last,
                 int64_t slot, int64_t) {
        float* to = d_rows - slot * (V * L);
        vf pre[V] = {};
        for (int64_t e = first; e < last; ++e) {
            const float* g = G + events.feature[e] * (int64_t)(V * L);
            const vf x = splat(events.x[e]), more = splat(events.more[e]);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v) {
                pre[v] = pre[v] * more + x * load(g + v * L);
                store(to + events.slot[e] * (int64_t)(V * L) + v * L, pre[v]);
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
        for (int64_t s = 0; s < valid; ++s) {
            float* row = d_rows + s * (V * L);
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

    // Subtracts from d what x changes where the read-out is active.
    template <int V>
    void mend(Network& net, const Events& events, int64_t first, int64_t last,
              int64_t slot, int64_t j, uint32_t always) {
        float* db = net.gradient + (int64_t)net.m * net.n;
        for (int64_t e = first; e < last; ++e) {
            const int64_t i = events.feature[e];
            const bool inside = (uint64_t)(i - j) < (uint64_t)(V * L);
            const int64_t at =
                inside ? (events.slot[e] - slot) * (V * L) + i - j : tile * (V * L);
            float& d = d_rows[at];
            const float change =
                when((always | -(uint32_t)(d != 0.0f)) & -(uint32_t)inside,
                     net.residual[i] * events.x[e]);
            d -= change;
            db[i] -= change;
        }
    }

    // dG[i] += x d over active entries.
    template <int V>
    void spread(const Events& events, int64_t first, int64_t last, int64_t slot) {
        const float* from = d_rows - slot * (V * L);
        for (int64_t e = first; e < last; ++e) {
            float* g = dG + events.feature[e] * (int64_t)(V * L);
            const float* d = from + events.slot[e] * (int64_t)(V * L);
            const vf x = splat(events.x[e]);
            TEGUM_UNROLL
            for (int v = 0; v < V; ++v)
                store(g + v * L, load(g + v * L) + x * load(d + v * L));
        }
    }
};
