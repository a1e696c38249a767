// The Python face of the engine. Arrays belong to Python; a job holds them while it runs.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

#include "pool.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tegum {
namespace {

template <class T, int Dimensions>
using Array = nb::ndarray<T, nb::numpy, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

template <class Choice>
Choice choice(const std::string& name, const std::vector<std::string>& names) {
    for (size_t j = 0; j < names.size(); ++j)
        if (names[j] == name) return (Choice)(int)j;
    throw std::invalid_argument("unknown choice: " + name);
}

const std::vector<std::string> noises = {"none", "dropout", "gaussian_multiplicative",
                                         "gaussian_additive",
                                         "gaussian_additive_matched"};
const std::vector<std::string> outputs = {"relu", "linear"};
const std::vector<std::string> optimisers = {"adamw", "adam", "sgd"};
const std::vector<std::string> schedules = {"constant", "linear", "cosine"};
const std::vector<std::string> kernels = {"dense", "compact", "gram"};
const std::vector<std::string> activities = {"independent", "correlated",
                                             "anticorrelated", "exactly_k"};

void require(bool fits, const char* what) {
    if (!fits) throw std::invalid_argument(what);
}

// One row, with the arrays that its run reads and fills.
struct Job {
    Model model;
    Array<float, 2> W;
    Array<float, 1> b;
    Array<const double, 1> probability, importance;
    Array<const int64_t, 1> loss_steps, checkpoint_steps;
    Array<double, 1> loss;
    Array<float, 3> W_history;
    Array<float, 2> b_history;
    Array<const float, 2> rotation;
    Array<float, 2> decoder;
    Array<float, 3> decoder_history;

    void connect() {
        const size_t m = W.shape(0), n = W.shape(1), kept = checkpoint_steps.shape(0);
        require(m >= 1 && n >= 1, "W is empty");
        require(b.shape(0) == n, "b does not fit W");
        require(probability.shape(0) == n, "probability does not fit W");
        require(importance.shape(0) == n, "importance does not fit W");
        require(loss.shape(0) == loss_steps.shape(0), "loss does not fit its steps");
        require(W_history.shape(0) == kept && b_history.shape(0) == kept &&
                    (kept == 0 || (W_history.shape(1) == m && W_history.shape(2) == n &&
                                   b_history.shape(1) == n)),
                "history does not fit its steps");
        const size_t turned = rotation.shape(0);
        require(rotation.shape(1) == turned && (turned == 0 || turned == m),
                "rotation does not fit W");
        model.m = (int)m;
        model.n = (int)n;
        model.W = W.data();
        model.b = b.data();
        model.probability = probability.data();
        model.importance = importance.data();
        model.loss_steps = loss_steps.data();
        model.loss_count = (int64_t)loss_steps.shape(0);
        model.loss = loss.data();
        model.checkpoint_steps = checkpoint_steps.data();
        model.checkpoint_count = (int64_t)kept;
        model.W_history = W_history.data();
        model.b_history = b_history.data();
        model.rotation = turned ? rotation.data() : nullptr;
        connect_decoder(m, n, kept);
    }

    void connect_decoder(size_t m, size_t n, size_t kept) {
        model.untied = decoder.shape(0) > 0;
        if (!model.untied) return;
        require(decoder.shape(0) == m && decoder.shape(1) == n, "decoder does not fit W");
        require(decoder_history.shape(0) == kept &&
                    (kept == 0 || (decoder_history.shape(1) == m &&
                                   decoder_history.shape(2) == n)),
                "the decoder's history does not fit its steps");
        model.decoder = decoder.data();
        model.decoder_history = decoder_history.data();
    }
};

void make_job(Job* job, Array<float, 2> W, Array<float, 1> b,
              Array<const double, 1> probability, Array<const double, 1> importance,
              Array<const int64_t, 1> loss_steps, Array<double, 1> loss,
              Array<const int64_t, 1> checkpoint_steps, Array<float, 3> W_history,
              Array<float, 2> b_history, Array<const float, 2> rotation,
              Array<float, 2> decoder, Array<float, 3> decoder_history, bool rectified,
              bool absolute, bool biased, bool two_sided, const std::string& activity,
              int group, int active, const std::string& noise,
              const std::string& output, const std::string& optimiser,
              const std::string& schedule, const std::string& kernel, double rate,
              double noise_std, double learning_rate, double momentum,
              double weight_decay, double hidden_l1, double beta1, double beta2,
              double epsilon, int batch_size, int64_t steps, uint64_t data_key,
              uint64_t mask_key, uint64_t evaluation_key, int evaluation_examples) {
    new (job) Job{Model{}, W, b, probability, importance, loss_steps, checkpoint_steps,
                  loss, W_history, b_history, rotation, decoder, decoder_history};
    Model& model = job->model;
    model.rectified = rectified;
    model.absolute = absolute;
    model.biased = biased;
    model.two_sided = two_sided;
    model.activity = choice<Activity>(activity, activities);
    model.group = group;
    model.active = active;
    model.noise = choice<Noise>(noise, noises);
    model.output = choice<Output>(output, outputs);
    model.optimiser = choice<Optimiser>(optimiser, optimisers);
    model.schedule = choice<Schedule>(schedule, schedules);
    model.kernel = choice<Kernel>(kernel, kernels);
    model.rate = rate;
    model.noise_std = noise_std;
    model.learning_rate = learning_rate;
    model.momentum = momentum;
    model.weight_decay = weight_decay;
    model.hidden_l1 = hidden_l1;
    model.beta1 = beta1;
    model.beta2 = beta2;
    model.epsilon = epsilon;
    model.batch = batch_size;
    model.steps = steps;
    model.data_key = data_key;
    model.mask_key = mask_key;
    model.evaluation_key = evaluation_key;
    model.evaluation_examples = evaluation_examples;
    job->connect();
    require(group >= 1 && model.n % group == 0, "groups do not fit the features");
    require(active >= 0 && active <= model.n, "more active features than there are");
    const bool term = model.noise == Noise::additive || model.noise == Noise::matched;
    const bool dense = model.kernel == Kernel::dense;
    require(dense || drawn_by_event(model), "this kernel needs sparse inputs");
    require(dense || !(model.untied || rectified || absolute),
            "this kernel is for tied linear models of x");
    require(model.kernel != Kernel::compact || !term, "compact can not add noise");
    require(model.kernel != Kernel::gram ||
                (model.noise == Noise::none && model.hidden_l1 == 0),
            "Gram serves rows without noise and without hidden L1");
}

const Backend& backend_named(const std::string& name) {
    std::string known;
    for (const Backend* backend : available_backends()) {
        if (name.empty() || name == backend->name) return *backend;
        known += std::string(known.empty() ? "" : ", ") + backend->name;
    }
    throw std::invalid_argument("instruction set '" + name +
                                "' is not available here; there are " + known);
}

// Returns the exception that a callback or a signal raised, or None. Either way models
// that are finished stay finished.
nb::object train(std::vector<Job*> jobs, const std::vector<double>& cost, int workers,
                 nb::object progress, nb::object stop, const std::string& isa) {
    const Backend& backend = backend_named(isa);
    require(cost.size() == jobs.size(), "one cost a job");
    std::vector<Model*> models;
    for (Job* job : jobs) models.push_back(&job->model);
    nb::object raised = nb::none();
    auto poll = [&](double share) {
        nb::gil_scoped_acquire acquire;
        if (!raised.is_none()) return false;
        try {
            if (PyErr_CheckSignals() != 0) throw nb::python_error();
            progress(share);
            return !nb::cast<bool>(stop());
        } catch (nb::python_error& error) {
            raised = nb::borrow(error.value());
            return false;
        }
    };
    {
        nb::gil_scoped_release release;
        train_all(models, cost, backend, workers, poll);
    }
    return raised;
}

void replay(Job& job, int64_t first, Array<float, 3> x, Array<float, 3> noise,
            const std::string& isa) {
    const size_t count = x.shape(0), batch = (size_t)job.model.batch;
    require(x.shape(1) == batch && x.shape(2) == (size_t)job.model.n, "x does not fit");
    require(noise.shape(0) == count && noise.shape(1) == batch &&
                noise.shape(2) == (size_t)job.model.m,
            "noise does not fit");
    const Backend& backend = backend_named(isa);
    Workspace workspace;
    void* memory = workspace.at_least(backend.workspace_bytes(job.model));
    backend.replay(job.model, memory, first, (int64_t)count, x.data(), noise.data());
}

void gradient(Job& job, int64_t step, Array<float, 2> dW, Array<float, 1> db,
              Array<float, 2> ddecoder, const std::string& isa) {
    require(dW.shape(0) == (size_t)job.model.m && dW.shape(1) == (size_t)job.model.n &&
                db.shape(0) == (size_t)job.model.n &&
                (!job.model.untied || (ddecoder.shape(0) == (size_t)job.model.m &&
                                       ddecoder.shape(1) == (size_t)job.model.n)),
            "the gradient's arrays do not fit");
    const Backend& backend = backend_named(isa);
    Workspace workspace;
    void* memory = workspace.at_least(backend.workspace_bytes(job.model));
    backend.gradient(job.model, memory, step, dW.data(), db.data(), ddecoder.data());
}

double clean_loss(Job& job, const std::string& isa) {
    const Backend& backend = backend_named(isa);
    Workspace workspace;
    void* memory = workspace.at_least(backend.workspace_bytes(job.model));
    return backend.clean_loss(job.model, memory);
}

double multiply_add(int64_t rounds, const std::string& isa) {
    float sink[4] = {1.0f, 0.999f, 0.001f, 0.0f};
    const Backend& backend = backend_named(isa);
    nb::gil_scoped_release release;
    return backend.multiply_add(rounds, sink);
}

}  // namespace
}  // namespace tegum

NB_MODULE(_engine, module) {
    using namespace tegum;
    module.doc() = "The compiled training engine.";
    module.attr("EVENT_LIMIT") = event_limit;
    module.attr("SMALL_MODEL") = small_model;
    module.attr("KERNELS") = nb::cast(kernels);

    nb::class_<Job>(module, "Job", "One row, with the arrays its run reads and fills.")
        .def("__init__", &make_job, nb::kw_only(), "W"_a.noconvert(), "b"_a.noconvert(),
             "probability"_a.noconvert(), "importance"_a.noconvert(),
             "loss_steps"_a.noconvert(), "loss"_a.noconvert(),
             "checkpoint_steps"_a.noconvert(), "W_history"_a.noconvert(),
             "b_history"_a.noconvert(), "rotation"_a.noconvert(),
             "decoder"_a.noconvert(), "decoder_history"_a.noconvert(), "rectified"_a,
             "absolute"_a, "biased"_a, "two_sided"_a, "activity"_a, "group"_a,
             "active"_a, "noise"_a, "output"_a, "optimiser"_a,
             "schedule"_a, "kernel"_a, "rate"_a, "noise_std"_a, "learning_rate"_a,
             "momentum"_a, "weight_decay"_a, "hidden_l1"_a, "beta1"_a, "beta2"_a,
             "epsilon"_a, "batch_size"_a, "steps"_a, "data_key"_a, "mask_key"_a,
             "evaluation_key"_a, "evaluation_examples"_a)
        .def_prop_ro("finished", [](const Job& job) { return job.model.finished != 0; })
        .def_prop_ro("diverged_at_step",
                     [](const Job& job) { return job.model.diverged_at_step; })
        .def("workspace_bytes", [](const Job& job, const std::string& isa) {
            return backend_named(isa).workspace_bytes(job.model);
        }, "instruction_set"_a = "");

    module.def("available_instruction_sets", [] {
        std::vector<std::string> names;
        for (const Backend* backend : available_backends()) names.push_back(backend->name);
        return names;
    }, "Names of the instruction sets that this machine can run, best first.");
    module.def("train", &train, "jobs"_a, "cost"_a, nb::kw_only(), "workers"_a,
               "progress"_a, "stop"_a, "instruction_set"_a,
               "Train jobs in the order given; returns what a callback or signal raised.");
    module.def("replay", &replay, "job"_a, nb::kw_only(), "first"_a, "x"_a.noconvert(),
               "noise"_a.noconvert(), "instruction_set"_a = "",
               "Fill x and noise with the minibatches of the steps from `first` on.");
    module.def("gradient", &gradient, "job"_a, nb::kw_only(), "step"_a,
               "dW"_a.noconvert(), "db"_a.noconvert(), "ddecoder"_a.noconvert(),
               "instruction_set"_a = "",
               "Fill dW, db and ddecoder with the gradient of the minibatch of `step`.");
    module.def("clean_loss", &clean_loss, "job"_a, nb::kw_only(),
               "instruction_set"_a = "", "The clean loss at the job's parameters.");
    module.def("multiply_add", &multiply_add, "rounds"_a, nb::kw_only(),
               "instruction_set"_a = "",
               "Run multiply-adds in registers alone; returns how many operations.");
}
