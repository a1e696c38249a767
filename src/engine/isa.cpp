// Everything that is compiled once for each instruction set. All of it lives in an
// anonymous namespace and uses no template of the standard library: a function that the
// linker shared between instruction sets could hold instructions that the machine lacks.

#include "spec.h"

namespace tegum {
namespace {
#include "simd.h"

#include "random.h"

#include "sampler.h"

#include "products.h"

#include "network.h"

#include "kernel_dense.h"

#include "kernel_compact.h"

#include "kernel_gram.h"

#include "optimiser.h"

#include "evaluation.h"

#include "trainer.h"

#include "peak.h"

size_t workspace_bytes(const Model& model) {
    Model copy = model;
    Trainer trainer{copy};
    Arena arena{nullptr};
    trainer.prepare(arena);
    return arena.used;
}

void train(Model& model, void* workspace, const Control& control) {
    Trainer trainer{model};
    Arena arena{(char*)workspace};
    trainer.prepare(arena);
    trainer.train(control);
}

void replay(Model& model, void* workspace, int64_t first, int64_t count, float* x,
            float* noise) {
    Trainer trainer{model};
    Arena arena{(char*)workspace};
    trainer.prepare(arena);
    // The unit normal itself, so that a replay can scale it as the definition says.
    if (trainer.noise.is_term()) {
        trainer.noise.kind = Noise::additive;
        trainer.noise.spread = 1.0f;
    }
    const Control control;
    for (int64_t t = 0; t < first + count; ++t) {
        const int64_t at = (t - first) * model.batch;
        const Tap tap{x + at * model.n, noise + at * model.m};
        trainer.step(control, t < first ? nullptr : &tap);
    }
}

void gradient(Model& model, void* workspace, int64_t step, float* dW, float* db,
              float* ddecoder) {
    Trainer trainer{model};
    Arena arena{(char*)workspace};
    trainer.prepare(arena);
    const Control control;
    for (int64_t t = 0; t <= step; ++t) trainer.step(control, nullptr);
    trainer.copy_out(trainer.net.gradient, dW, db, ddecoder);
}

double clean_loss(Model& model, void* workspace) {
    Trainer trainer{model};
    Arena arena{(char*)workspace};
    trainer.prepare(arena);
    return trainer.evaluation.clean_loss(trainer.net, model);
}

}  // namespace

#define TEGUM_JOIN_(a, b) a##b
#define TEGUM_JOIN(a, b) TEGUM_JOIN_(a, b)
#define TEGUM_TEXT_(a) #a
#define TEGUM_TEXT(a) TEGUM_TEXT_(a)

extern const Backend TEGUM_JOIN(backend_, TEGUM_ISA);
const Backend TEGUM_JOIN(backend_, TEGUM_ISA) = {
    TEGUM_TEXT(TEGUM_ISA), workspace_bytes, train, replay, gradient, clean_loss,
    multiply_add,
};

}  // namespace tegum
