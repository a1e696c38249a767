// What one training run is told and what it gives back: plain data, shared by every
// instruction set. Nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tegum {

enum class Noise : int { none, dropout, multiplicative, additive, matched };
enum class Output : int { relu, linear };
enum class Optimiser : int { adamw, adam, sgd };
enum class Schedule : int { constant, linear, cosine };
enum class Kernel : int { dense, compact, gram };
enum class Activity : int { independent, correlated, anticorrelated, exactly };

// A run is asked to stop through one flag that every worker reads.
struct Control {
    int stop = 0;  // accessed with __atomic builtins only
};

struct Model {
    int n = 1, m = 1, batch = 1;
    Noise noise = Noise::none;
    Output output = Output::relu;
    Optimiser optimiser = Optimiser::adamw;
    Schedule schedule = Schedule::constant;
    Kernel kernel = Kernel::dense;
    bool untied = false;     // the read-out has weights of its own
    bool rectified = false;  // h = relu(W x)
    bool absolute = false;   // the target is |x|
    bool biased = true;      // else b stays 0
    bool two_sided = false;  // active values are uniform on [-1, 1)
    Activity activity = Activity::independent;
    int group = 1;   // features of a group
    int active = 0;  // features of a sample, where that is fixed
    double rate = 0, noise_std = 0, learning_rate = 1e-3, momentum = 0;
    double weight_decay = 0, hidden_l1 = 0;
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    const float* rotation = nullptr;  // Q [m, m]: Adam's moments are those of QW; or none
    int64_t steps = 1;
    uint64_t data_key = 0, mask_key = 0, evaluation_key = 0;
    int evaluation_examples = 0;
    const double* probability = nullptr;  // [n]
    const double* importance = nullptr;   // [n]

    const int64_t* loss_steps = nullptr;
    int64_t loss_count = 0;
    double* loss = nullptr;  // [loss_count], prefilled with NaN
    const int64_t* checkpoint_steps = nullptr;
    int64_t checkpoint_count = 0;
    float* W_history = nullptr;  // [checkpoint_count, m, n], prefilled with NaN
    float* b_history = nullptr;  // [checkpoint_count, n]
    float* decoder_history = nullptr;  // [checkpoint_count, m, n] of an untied model

    float* W = nullptr;  // [m, n]: initial weights in, final weights out
    float* b = nullptr;  // [n]
    float* decoder = nullptr;  // [m, n] of an untied model
    int64_t diverged_at_step = -1;
    int64_t steps_done = 0;  // accessed with __atomic builtins only
    int finished = 0;
};

// Where a kernel leaves a copy of what it used, for replay in another precision.
struct Tap {
    float* x = nullptr;      // [batch, n]
    float* noise = nullptr;  // [batch, m]: the factor, or the unit normal of additive kinds
};

// What one instruction set offers.
struct Backend {
    const char* name;
    size_t (*workspace_bytes)(const Model&);
    // Trains to the end, or until `control.stop`; fills the outputs of the model.
    void (*train)(Model&, void* workspace, const Control&);
    // Draws minibatches `0 .. first + count - 1` as training would, and leaves those from
    // `first` on in `x` [count, batch, n] and `noise` [count, batch, m].
    void (*replay)(Model&, void* workspace, int64_t first, int64_t count, float* x,
                   float* noise);
    // The gradient of the minibatch of `step` at the model's parameters.
    void (*gradient)(Model&, void* workspace, int64_t step, float* dW, float* db,
                     float* ddecoder);
    // The clean loss of the model's parameters on its evaluation sample.
    double (*clean_loss)(Model&, void* workspace);
    // `rounds` blocks of multiply-adds in registers; returns how many operations that was.
    double (*multiply_add)(int64_t rounds, float* sink);
};

// Rows with q at or below this draw only active entries, by geometric skips.
constexpr double event_limit = 0.2;

// Up to this many weights the compact kernel lays x out as a dense tile: products over
// active entries would save less than they cost.
constexpr int64_t small_model = 256;

inline double largest_probability(const Model& model) {
    double largest = 0;
    for (int i = 0; i < model.n; ++i)
        if (model.probability[i] > largest) largest = model.probability[i];
    return largest;
}

// Whether inputs are drawn from active entry to active entry.
inline bool drawn_by_event(const Model& model) {
    return model.activity == Activity::independent &&
           largest_probability(model) <= event_limit;
}

}  // namespace tegum
