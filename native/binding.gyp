{
  "targets": [
    {
      "target_name": "dreg_mpi",
      "sources": ["addon.cc", "util.cc", "buffer.cc", "memory.cc", "pages.cc", "segment.cc", "heap.cc", "shared_heap.cc", "doorbell.cc", "wake.cc", "fdpass.cc", "process.cc", "spawn.cc", "mapping.cc", "vma.cc", "dreg.cc", "userfaultfd.cc", "userfaultfd_reader.cc", "uring.cc", "verbs.cc", "verbs_memory.cc", "verbs_queue.cc", "rdmacm.cc", "ofi.cc", "ofi_data.cc", "pmix.cc", "reduce.cc", "reduce_baseline.cc", "reduce_avx2.cc", "reduce_avx512.cc", "exact_sum.cc"],
      # A package that is published brings the headers along.
      "include_dirs": ["<!(node -p \"try { require('node-addon-api').include_dir } catch { 'node-addon-api' }\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc": ["-std=c++17", "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-fno-trapping-math", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-rtti"],
      # Node unloads an addon with the last thread that used it; libuv's handles of a worker that
      # ends are closed after that, and call back into it.
      "ldflags": ["-Wl,-z,nodelete"],
      # An addon that runs on other machines, and with other C libraries, than the one it is built on.
      "variables": {"portable%": 0},
      "conditions": [
        ["portable==1", {
          "sources": ["glibc.cc"],
          "ldflags": ["-static-libstdc++", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections"]
        }]
      ]
    },
    {
      # Preloaded, not loaded: docs/internals/shared-heap.md.
      "target_name": "dreg_heap",
      "type": "shared_library",
      "product_prefix": "",
      "product_extension": "so",
      "sources": ["heap/preload.c", "heap/heap.c", "heap/region.c", "heap/runs.c"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-builtin-malloc"],
      "libraries": ["-ldl", "-lpthread"],
      "variables": {"portable%": 0},
      "conditions": [
        ["portable==1", {
          "sources": ["glibc.cc"],
          "ldflags": ["-static-libstdc++", "-Wl,--gc-sections"]
        }]
      ]
    }
  ]
}
