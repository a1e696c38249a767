// One training run: sampler, noise, kernel, optimiser, and what is kept along the way.

// Samples of a tile: as many as keep its rows in half of a common L2 cache, at least 64.
inline int64_t tile_samples(const Model& model) {
    const int64_t bytes = 4 * (2 * (int64_t)model.n + 4 * (int64_t)model.m);
    const int64_t fitting = (int64_t)(512 * 1024) / bytes;
    const int64_t most = round_up(model.batch, tile_multiple);
    return smaller(most, smaller(256, larger(64, fitting / 64 * 64)));
}

struct Trainer {
    Model& model;
    Network net;
    Sampler sampler;
    NoiseSource noise;
    DenseKernel dense;
    CompactKernel compact;
    GramKernel gram;
    OptimiserState optimiser;
    Evaluation evaluation;

    explicit Trainer(Model& row) : model(row) {}

    void prepare(Arena& arena) {
        net.prepare(model, tile_samples(model), arena);
        sampler.prepare(model, model.batch, arena);
        noise.prepare(model);
        if (model.kernel == Kernel::dense) dense.prepare(net, arena);
        if (model.kernel == Kernel::compact) compact.prepare(net, arena);
        if (model.kernel == Kernel::gram) gram.prepare(net, sampler, arena);
        optimiser.prepare(model, net.padded, arena);
        evaluation.prepare(model, net, arena);
        if (!arena.base) return;
        sampler.random.start(model.data_key);
        noise.random.start(model.mask_key);
    }

    bool step(const Control& control, const Tap* tap) {
        if (!run_kernel(control, tap)) return false;
        if (!model.biased) fill(net.gradient + (int64_t)net.m * net.n, 0, net.n);
        return true;
    }

    bool run_kernel(const Control& control, const Tap* tap) {
        switch (model.kernel) {
            case Kernel::compact:
                return compact.step(net, sampler, noise, model, control, tap);
            case Kernel::gram: return gram.step(net, sampler, noise, model, control, tap);
            default: return dense.step(net, sampler, noise, model, control, tap);
        }
    }

    // Parameters, or anything of their layout, such as a gradient.
    void copy_out(const float* from, float* W, float* b, float* decoder) const {
        const int64_t weights = (int64_t)model.m * model.n;
        for (int64_t j = 0; j < weights; ++j) W[j] = from[j];
        for (int i = 0; i < model.n; ++i) b[i] = from[weights + i];
        if (!net.untied) return;
        for (int64_t j = 0; j < weights; ++j) decoder[j] = from[net.decoder_at() + j];
    }

    void train(const Control& control) {
        int64_t losses = 0, checkpoints = 0;
        const int64_t weights = (int64_t)model.m * model.n;
        for (int64_t t = 0;; ++t) {
            if (losses < model.loss_count && model.loss_steps[losses] == t)
                model.loss[losses++] = evaluation.clean_loss(net, model);
            if (checkpoints < model.checkpoint_count &&
                model.checkpoint_steps[checkpoints] == t) {
                const int64_t at = checkpoints * weights;
                copy_out(net.parameters, model.W_history + at,
                         model.b_history + checkpoints * model.n,
                         net.untied ? model.decoder_history + at : nullptr);
                ++checkpoints;
            }
            if (t == model.steps) break;
            if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return;
            if (!step(control, nullptr)) return;
            const bool finite = optimiser.update(net.parameters, net.gradient,
                                                 learning_rate_at(model, t));
            __atomic_store_n(&model.steps_done, t + 1, __ATOMIC_RELAXED);
            if (!finite) {
                model.diverged_at_step = t + 1;
                break;
            }
        }
        copy_out(net.parameters, model.W, model.b, model.decoder);
        __atomic_store_n(&model.finished, 1, __ATOMIC_RELEASE);
    }
};
