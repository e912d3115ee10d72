/* Preloaded, lets Intel's MKL (inside PyPI's PyTorch) use AVX2 and AVX-512 on processors of any maker: see README.md. */
int mkl_serv_intel_cpu_true(void) { return 1; }
