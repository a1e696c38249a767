#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

namespace tegum {

extern const Backend backend_baseline;
#ifdef TEGUM_X86_LEVELS
extern const Backend backend_avx2;
extern const Backend backend_avx512;
#endif

std::vector<const Backend*> available_backends() {
    std::vector<const Backend*> found;
#ifdef TEGUM_X86_LEVELS
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        found.push_back(&backend_avx512);
    if (avx2) found.push_back(&backend_avx2);
#endif
    found.push_back(&backend_baseline);
    return found;
}

Workspace::~Workspace() { ::operator delete(memory_, std::align_val_t(64)); }

void* Workspace::at_least(size_t bytes) {
    if (bytes > size_) {
        ::operator delete(memory_, std::align_val_t(64));
        memory_ = nullptr;
        size_ = 0;
        memory_ = ::operator new(bytes, std::align_val_t(64));
        size_ = bytes;
    }
    return memory_;
}

namespace {

// Stops and joins the workers however the scope is left.
class Workers {
   public:
    explicit Workers(Control& control) : control_(control) {}
    ~Workers() {
        stop();
        for (auto& thread : threads_) thread.join();
    }
    void stop() { __atomic_store_n(&control_.stop, 1, __ATOMIC_RELAXED); }
    std::vector<std::thread> threads_;

   private:
    Control& control_;
};

double share_done(const std::vector<Model*>& models, const std::vector<double>& cost) {
    double done = 0, total = 0;
    for (size_t j = 0; j < models.size(); ++j) {
        const double steps =
            (double)__atomic_load_n(&models[j]->steps_done, __ATOMIC_RELAXED);
        const bool finished = __atomic_load_n(&models[j]->finished, __ATOMIC_ACQUIRE);
        done += cost[j] * (finished ? 1.0 : steps / (double)models[j]->steps);
        total += cost[j];
    }
    return total > 0 ? done / total : 1.0;
}

}  // namespace

void train_all(const std::vector<Model*>& models, const std::vector<double>& cost,
               const Backend& backend, int workers,
               const std::function<bool(double)>& poll) {
    Control control;
    std::atomic<size_t> next{0};
    std::atomic<bool> out_of_memory{false};
    std::mutex mutex;
    std::condition_variable changed;
    int running = (int)std::min<size_t>((size_t)workers, models.size());

    auto work = [&] {
        Workspace workspace;
        try {
            for (;;) {
                const size_t j = next.fetch_add(1);
                if (j >= models.size()) break;
                if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) break;
                void* memory = workspace.at_least(backend.workspace_bytes(*models[j]));
                backend.train(*models[j], memory, control);
            }
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
            __atomic_store_n(&control.stop, 1, __ATOMIC_RELAXED);
        }
        std::lock_guard<std::mutex> lock(mutex);
        if (--running == 0) changed.notify_one();
    };

    {
        Workers pool(control);
        for (int j = running; j > 0; --j) pool.threads_.emplace_back(work);
        std::unique_lock<std::mutex> lock(mutex);
        while (!changed.wait_for(lock, std::chrono::milliseconds(50),
                                 [&] { return running == 0; })) {
            lock.unlock();
            if (!poll(share_done(models, cost))) pool.stop();
            lock.lock();
        }
    }
    if (out_of_memory) throw std::bad_alloc();
}

}  // namespace tegum
