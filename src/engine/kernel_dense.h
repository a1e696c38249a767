// The dense kernel: every sample, five products a tile.

struct DenseKernel {
    float* X;

    void prepare(const Network& net, Arena& arena) { X = arena.take<float>(net.n * net.ld); }

    // The batch and unit mean of h^2, from a first pass over the same minibatch.
    double mean_square(Network& net, Sampler& sampler) {
        const Random before = sampler.random;
        DenseTiles source{sampler};
        source.start();
        float* noise = net.N;
        float* raw = net.raw;
        net.raw = nullptr;
        double total = 0;
        for (int64_t s = 0; s < net.batch; s += net.tile) {
            const int64_t valid = smaller(net.tile, net.batch - s);
            const int64_t samples = round_up(valid, tile_multiple);
            source.fill_tile(X, net.ld, s, valid, samples);
            hidden_layer(net, X, samples, Apply::nothing);
            for (int k = 0; k < net.m; ++k) {
                vf sum{};
                for (int64_t c = 0; c < samples; c += L) {
                    const vf h = load(net.H + k * net.ld + c);
                    sum += h * h;
                }
                total += sum_lanes(sum);
            }
        }
        net.N = noise;
        net.raw = raw;
        sampler.random = before;
        sampler.rewind();
        return total / ((double)net.batch * net.m);
    }

    // The gradient of one minibatch; false if it was told to stop.
    bool step(Network& net, Sampler& sampler, NoiseSource& noise, const Model& model,
              const Control& control, const Tap* tap) {
        if (noise.kind == Noise::matched) {
            const double variance = model.rate / (1 - model.rate);
            noise.spread =
                (float)__builtin_sqrt(variance * mean_square(net, sampler));
        }
        DenseTiles source{sampler};
        source.start();
        net.clear_gradient();
        for (int64_t s = 0; s < net.batch; s += net.tile) {
            if (__atomic_load_n(&control.stop, __ATOMIC_RELAXED)) return false;
            const int64_t valid = smaller(net.tile, net.batch - s);
            const int64_t samples = round_up(valid, tile_multiple);
            source.fill_tile(X, net.ld, s, valid, samples);
            if (noise.kind != Noise::none)
                noise.fill_tile(net.N, net.ld, samples);
            hidden_layer(net, X, samples,
                         noise.is_factor() ? Apply::factor
                         : noise.is_term() ? Apply::term
                                           : Apply::nothing);
            if (net.absolute)
                read_out<Leave::delta_of_absolute>(net, X, samples, valid);
            else
                read_out<Leave::delta>(net, X, samples, valid);
            back(net, samples, noise.is_factor());
            if (net.rectified) back_through_rectifier(net, samples);
            add_weights(net, samples);
            if (tap) leave_copy(net, noise, s, valid, *tap);
        }
        net.finish_bias();
        return true;
    }

    // dV += h d^T and dW += e x^T; both into one where the decoder is tied.
    void add_weights(Network& net, int64_t samples) {
        if (!net.untied) {
            outer_product<true>(net.H, net.E, net.D, X, net.ld, samples, net.gradient,
                                net.m, net.n);
            return;
        }
        outer_product<false>(net.H, nullptr, net.D, nullptr, net.ld, samples,
                             net.gradient + net.decoder_at(), net.m, net.n);
        outer_product<false>(net.E, nullptr, X, nullptr, net.ld, samples, net.gradient,
                             net.m, net.n);
    }

    void leave_copy(const Network& net, const NoiseSource& noise, int64_t first,
                    int64_t valid, const Tap& tap) {
        for (int64_t s = 0; s < valid; ++s) {
            for (int i = 0; i < net.n; ++i)
                tap.x[(first + s) * net.n + i] = X[i * net.ld + s];
            for (int k = 0; k < net.m && noise.kind != Noise::none; ++k)
                tap.noise[(first + s) * net.m + k] = net.N[k * net.ld + s];
        }
    }
};
