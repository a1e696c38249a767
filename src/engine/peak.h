// Multiply-adds in registers alone: the ceiling that kernels are measured against.

double multiply_add(int64_t rounds, float* sink) {
    constexpr int chains = vector_registers == 32 ? 20 : 12;
    vf acc[chains];
    TEGUM_UNROLL
    for (int j = 0; j < 20; ++j)
        if (j < chains) acc[j] = splat(sink[0] + (float)j);
    vf factor = splat(sink[1]), term = splat(sink[2]);
    for (int64_t t = 0; t < rounds; ++t) {
        _Pragma("GCC unroll 20") for (int j = 0; j < chains; ++j) {
            acc[j] = acc[j] * factor + term;
            // Keeps each chain in a register, in this order, and not folded with others.
            TEGUM_KEEP(acc[j]);
        }
    }
    vf total{};
    _Pragma("GCC unroll 20") for (int j = 0; j < chains; ++j) total += acc[j];
    sink[3] = sum_lanes(total);
    return 2.0 * L * chains * (double)rounds;
}
