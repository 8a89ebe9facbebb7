{
  "targets": [
    {
      "target_name": "dreg_memory_test",
      "sources": ["helpers.cc", "fork.cc", "threads.cc", "../../../native/util.cc", "../../../native/buffer.cc", "../../../native/userfaultfd.cc", "../../../native/userfaultfd_reader.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "../../../native"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "DREG_TEST"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-rtti"],
      # Node unloads an addon with the last thread that used it; libuv's handles of a worker that
      # ends are closed after that, and call back into it.
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
