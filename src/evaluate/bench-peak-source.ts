/**
 * A C program that measures what this machine can do at best, as text: whoever has a compiler gets the true peak, and
 * nothing native has to be shipped. Linux with gcc or clang; elsewhere it does not compile, which `measureFma` expects.
 */
export const PEAK_SOURCE: string = String.raw`/* What this machine can do at best, to divide every other number of the bench by.
 *
 *   cc -O2 -pthread peak.c -o peak && ./peak [threads] [rounds]
 *
 * Float32 fused multiply-adds held in registers (one FMA counts as two operations) with the widest vectors that the
 * processor has, on one core and on all threads at once, and memory bandwidth over a buffer of 256 MB. Prints one JSON
 * object. Each figure is the best of some rounds (7): a peak is what the machine reached, noise only lowers it.
 * readGBs: summing the buffer. triadGBs: a[i] = b[i] + s * c[i] over its thirds, counting 12 bytes an element.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { ACCUMULATORS = 12, MAX_THREADS = 512 };
/* Short, so that some of them see no other process; many, so that one of them does. */
static const long FMA_LOOPS = 2L * 1000 * 1000;
enum { FMA_ROUNDS = 12 };
static const size_t FLOATS = (size_t)64 << 20; /* 256 MB */

/* Twelve independent chains hide the latency of two FMA units; written out so that they stay in registers. */
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

/* Defines NAME(loops): runs loops * ACCUMULATORS FMAs of WIDTH floats and returns a value that depends on all of them. */
#define FMA_KERNEL(NAME, TARGET, VECTOR, WIDTH, SET)                                                                    \
  TARGET static float NAME(long loops) {                                                                               \
    VECTOR x = SET(0.999f), y = SET(0.0001f);                                                                          \
    EACH(DECLARE_##NAME)                                                                                               \
    for (long i = 0; i < loops; i++) {                                                                                 \
      EACH(STEP_##NAME)                                                                                                \
    }                                                                                                                  \
    VECTOR all[ACCUMULATORS] = {a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11};                                     \
    float out[ACCUMULATORS * WIDTH], sum = 0;                                                                          \
    memcpy(out, all, sizeof out);                                                                                      \
    for (int i = 0; i < ACCUMULATORS * WIDTH; i++) sum += out[i];                                                      \
    return sum;                                                                                                        \
  }

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f"), noinline))
#define AVX2 __attribute__((target("avx2,fma"), noinline))
#define DECLARE_fmaAvx512(i) __m512 a##i = _mm512_set1_ps(i * 0.1f);
#define STEP_fmaAvx512(i) a##i = _mm512_fmadd_ps(a##i, x, y);
#define DECLARE_fmaAvx2(i) __m256 a##i = _mm256_set1_ps(i * 0.1f);
#define STEP_fmaAvx2(i) a##i = _mm256_fmadd_ps(a##i, x, y);
FMA_KERNEL(fmaAvx512, AVX512, __m512, 16, _mm512_set1_ps)
FMA_KERNEL(fmaAvx2, AVX2, __m256, 8, _mm256_set1_ps)
#endif

/* Any other processor: four floats a vector, as NEON and SSE have them; the compiler contracts the two operations. */
typedef float Four __attribute__((vector_size(16)));
#define SET_FOUR(v) ((Four){v, v, v, v})
#define DECLARE_fmaGeneric(i) Four a##i = SET_FOUR(i * 0.1f);
#define STEP_fmaGeneric(i) a##i = a##i * x + y;
FMA_KERNEL(fmaGeneric, __attribute__((noinline)), Four, 4, SET_FOUR)

typedef float (*FmaKernel)(long loops);
enum Work { WORK_FMA, WORK_READ, WORK_TRIAD };

typedef struct {
  pthread_t id;
  enum Work work;
  FmaKernel fma;
  float *buffer;
  size_t from, to; /* this thread's share of the buffer (READ) or of each third of it (TRIAD) */
  pthread_barrier_t *barrier;
  int rounds;
  double *begin, *end; /* one entry a round */
  float sink;
} Worker;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float readAll(const float *p, size_t n) {
  Four s[8];
  memset(s, 0, sizeof s);
  for (size_t i = 0; i + 32 <= n; i += 32)
    for (int j = 0; j < 8; j++) s[j] += *(const Four *)(p + i + 4 * j);
  float sum = 0;
  for (int j = 0; j < 8; j++) sum += s[j][0] + s[j][1] + s[j][2] + s[j][3];
  return sum;
}

static void triad(float *a, const float *b, const float *c, size_t n) {
  Four s = SET_FOUR(0.5f);
  for (size_t i = 0; i + 4 <= n; i += 4) *(Four *)(a + i) = *(const Four *)(b + i) + s * *(const Four *)(c + i);
}

static void *workOn(void *argument) {
  Worker *w = argument;
  size_t third = FLOATS / 3 / 64 * 64, n = w->to - w->from;
  for (int round = 0; round < w->rounds; round++) {
    pthread_barrier_wait(w->barrier);
    w->begin[round] = now();
    if (w->work == WORK_FMA) w->sink += w->fma(FMA_LOOPS);
    if (w->work == WORK_READ) w->sink += readAll(w->buffer + w->from, n);
    if (w->work == WORK_TRIAD)
      triad(w->buffer + w->from, w->buffer + third + w->from, w->buffer + 2 * third + w->from, n);
    w->end[round] = now();
  }
  return NULL;
}

/* Shortest wall time of a round, from the first thread's start to the last one's end. */
static double bestSeconds(enum Work work, FmaKernel fma, float *buffer, int threads, int rounds) {
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  double *times = calloc((size_t)threads * (size_t)rounds * 2, sizeof *times);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  size_t whole = work == WORK_TRIAD ? FLOATS / 3 / 64 * 64 : FLOATS, share = whole / (size_t)threads / 64 * 64;
  for (int t = 0; t < threads; t++) {
    double *begin = times + (size_t)t * (size_t)rounds * 2;
    size_t from = share * (size_t)t;
    workers[t] = (Worker){.work = work, .fma = fma, .buffer = buffer, .from = from, .to = from + share,
                          .barrier = &barrier, .rounds = rounds, .begin = begin, .end = begin + rounds};
    if (pthread_create(&workers[t].id, NULL, workOn, &workers[t]) != 0) {
      fprintf(stderr, "peak: thread %d of %d could not be started\n", t + 1, threads);
      exit(1);
    }
  }
  for (int t = 0; t < threads; t++) pthread_join(workers[t].id, NULL);
  double best = 1e30;
  volatile float sink = 0;
  for (int round = 0; round < rounds; round++) {
    double first = 1e30, last = 0;
    for (int t = 0; t < threads; t++) {
      if (workers[t].begin[round] < first) first = workers[t].begin[round];
      if (workers[t].end[round] > last) last = workers[t].end[round];
    }
    if (last - first < best) best = last - first;
  }
  for (int t = 0; t < threads; t++) sink = sink + workers[t].sink;
  pthread_barrier_destroy(&barrier);
  free(workers);
  free(times);
  return best;
}

static double fmaGflops(FmaKernel fma, int width, int threads, int rounds) {
  double seconds = bestSeconds(WORK_FMA, fma, NULL, threads, rounds * FMA_ROUNDS);
  return 2.0 * width * ACCUMULATORS * (double)FMA_LOOPS * threads / seconds / 1e9;
}

static int availableThreads(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : availableThreads();
  int rounds = argc > 2 ? atoi(argv[2]) : 7;
  if (threads < 1 || threads > MAX_THREADS || rounds < 1) {
    fprintf(stderr, "usage: peak [threads 1..%d] [rounds]\n", MAX_THREADS);
    return 1;
  }
  const char *isa = "generic";
  FmaKernel fma = fmaGeneric;
  int width = 4, hasAvx2 = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (hasAvx2) isa = "avx2", fma = fmaAvx2, width = 8;
  if (__builtin_cpu_supports("avx512f")) isa = "avx512", fma = fmaAvx512, width = 16;
#endif
  float *buffer = aligned_alloc(4096, FLOATS * sizeof(float));
  if (!buffer) {
    fprintf(stderr, "peak: 256 MB of memory could not be had\n");
    return 1;
  }
  for (size_t i = 0; i < FLOATS; i++) buffer[i] = 1.0f;
  double one = fmaGflops(fma, width, 1, rounds), avx2 = 0;
#if defined(__x86_64__)
  if (hasAvx2) avx2 = fmaGflops(fmaAvx2, 8, 1, rounds);
#endif
  double total = fmaGflops(fma, width, threads, rounds);
  double read = (double)(FLOATS * sizeof(float)) / bestSeconds(WORK_READ, NULL, buffer, threads, rounds) / 1e9;
  double moved = 12.0 * (double)(FLOATS / 3 / 64 * 64);
  double triads = moved / bestSeconds(WORK_TRIAD, NULL, buffer, threads, rounds) / 1e9;
  printf("{\"isa\":\"%s\",\"perCoreGflops\":%.1f,\"threads\":%d,\"totalGflops\":%.1f,\"perCoreAvx2Gflops\":", isa, one,
         threads, total);
  if (hasAvx2) printf("%.1f", avx2);
  else printf("null");
  printf(",\"readGBs\":%.1f,\"triadGBs\":%.1f}\n", read, triads);
  free(buffer);
  return 0;
}
`;
