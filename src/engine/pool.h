// Threads over models: one model is one task, longest expected first.
#pragma once

#include <functional>
#include <vector>

#include "spec.h"

namespace tegum {

// The instruction sets that this binary holds and this machine can run, best first.
std::vector<const Backend*> available_backends();

// Memory for one model at a time, grown when a model needs more.
class Workspace {
   public:
    ~Workspace();
    void* at_least(size_t bytes);

   private:
    void* memory_ = nullptr;
    size_t size_ = 0;
};

// Trains `models` in the order given. `poll` is called from the calling thread at least
// ten times a second with the share of `cost` that is done; when it returns false, or
// throws, workers stop within a step and what is finished stays.
// Throws std::bad_alloc if a model's workspace could not be had.
void train_all(const std::vector<Model*>& models, const std::vector<double>& cost,
               const Backend& backend, int workers,
               const std::function<bool(double)>& poll);

}  // namespace tegum
