// Parameter updates, in the conventions of PyTorch. Bias corrections in double. With a
// rotation Q Adam keeps the moments of QG, G the gradient of W, and turns its step back.

struct OptimiserState {
    Optimiser kind;
    float *first, *second;  // moments; `first` is SGD's buffer
    int64_t padded;
    int64_t n, m;
    bool untied;
    const float* rotation;  // [m][m], or none
    float *plain, *turned;  // a gradient, then a step, in W's coordinates and in QW's
    double beta1, beta2, power1 = 1, power2 = 1;
    float epsilon, decay, momentum;

    void prepare(const Model& model, int64_t parameters, Arena& arena) {
        kind = model.optimiser;
        padded = parameters;
        first = arena.take<float>(padded);
        second = arena.take<float>(kind == Optimiser::sgd ? 0 : padded);
        n = model.n;
        m = model.m;
        untied = model.untied;
        rotation = kind == Optimiser::sgd ? nullptr : model.rotation;
        plain = arena.take<float>(rotation ? padded : 0);
        turned = arena.take<float>(rotation ? padded : 0);
        beta1 = model.beta1;
        beta2 = model.beta2;
        epsilon = (float)model.epsilon;
        decay = (float)model.weight_decay;
        momentum = (float)model.momentum;
        if (!arena.base) return;
        fill(first, 0, padded);
        if (kind != Optimiser::sgd) fill(second, 0, padded);
    }

    // The numbers of Adam's step at hand.
    struct AdamStep {
        float shrink, l2, step, root, b1, b2, c2;
    };

    AdamStep next_adam_step(double rate) {
        power1 *= beta1;
        power2 *= beta2;
        const bool decoupled = kind == Optimiser::adamw;
        return {decoupled ? (float)(1.0 - rate * (double)decay) : 1.0f,
                decoupled ? 0.0f : decay,
                (float)(rate / (1.0 - power1)),
                (float)(1.0 / __builtin_sqrt(1.0 - power2)),
                (float)(1.0 - beta1),
                (float)beta2,
                (float)(1.0 - beta2)};
    }

    // One update; false if a parameter is no longer finite.
    bool update(float* w, const float* g, double rate) {
        if (kind == Optimiser::sgd) return update_sgd(w, g, (float)rate);
        const AdamStep a = next_adam_step(rate);
        if (rotation) return update_rotated(w, g, a);
        vf check{};
        for (int64_t j = 0; j < padded; j += L) {
            const vf old = load(w + j);
            const vf gradient = load(g + j) + a.l2 * old;
            const vf m = load(first + j) + (gradient - load(first + j)) * a.b1;
            const vf v = load(second + j) * a.b2 + (a.c2 * gradient) * gradient;
            store(first + j, m);
            store(second + j, v);
            const vf next =
                old * a.shrink - a.step * m / (square_root(v) * a.root + epsilon);
            store(w + j, next);
            check += next * 0.0f;
        }
        return sum_lanes(check) == 0.0f;
    }

    bool update_rotated(float* w, const float* g, AdamStep a) {
        for (int64_t j = 0; j < padded; j += L)
            store(plain + j, load(g + j) + a.l2 * load(w + j));
        turn<false>(plain, turned);
        for (int64_t j = 0; j < padded; j += L) {
            const vf gradient = load(turned + j);
            const vf m = load(first + j) + (gradient - load(first + j)) * a.b1;
            const vf v = load(second + j) * a.b2 + (a.c2 * gradient) * gradient;
            store(first + j, m);
            store(second + j, v);
            store(turned + j, a.step * m / (square_root(v) * a.root + epsilon));
        }
        turn<true>(turned, plain);
        vf check{};
        for (int64_t j = 0; j < padded; j += L) {
            const vf next = load(w + j) * a.shrink - load(plain + j);
            store(w + j, next);
            check += next * 0.0f;
        }
        return sum_lanes(check) == 0.0f;
    }

    // to = Q from, or Q^T from, on the weights; the bias stays.
    template <bool Back>
    void turn(const float* from, float* to) const {
        for (int64_t j = m * n; j < padded; ++j) to[j] = from[j];
        turn_matrix<Back>(from, to);
        if (untied) turn_matrix<Back>(from + (m * n + n), to + (m * n + n));
    }

    template <bool Back>
    void turn_matrix(const float* from, float* to) const {
        for (int64_t k = 0; k < m; ++k) {
            float* row = to + k * n;
            fill(row, 0, n);
            for (int64_t l = 0; l < m; ++l) {
                const float q = rotation[Back ? l * m + k : k * m + l];
                for (int64_t i = 0; i < n; ++i) row[i] += q * from[l * n + i];
            }
        }
    }

    bool update_sgd(float* w, const float* g, float rate) {
        vf check{};
        for (int64_t j = 0; j < padded; j += L) {
            const vf old = load(w + j);
            const vf gradient = load(g + j) + decay * old;
            const vf buffer = momentum * load(first + j) + gradient;
            store(first + j, buffer);
            const vf next = old - rate * buffer;
            store(w + j, next);
            check += next * 0.0f;
        }
        return sum_lanes(check) == 0.0f;
    }
};

// The learning rate of step t of `steps`.
inline double learning_rate_at(const Model& model, int64_t t) {
    const double progress = (double)t / (double)model.steps;
    switch (model.schedule) {
        case Schedule::linear: return model.learning_rate * (1.0 - progress);
        case Schedule::cosine:
            return model.learning_rate *
                   (0.5 * (1.0 + __builtin_cos(3.14159265358979323846 * progress)));
        default: return model.learning_rate;
    }
}
