/** The tests that `deno task windows` runs: what differs on Windows, and the ways through the whole program. */
export const SUITE: readonly string[] = [
  "tests/adopt_rules_test.ts",
  "tests/autostart_test.ts",
  "tests/documents_test.ts",
  "tests/process_streams_test.ts",
  "tests/program_search_test.ts",
  "tests/self_probe_test.ts",
  "tests/server_process_test.ts",
  "tests/service_files_test.ts",
  "tests/windows_paths_test.ts",
  "tests/windows_pipes_test.ts",
  "tests/windows_programs_test.ts",
  "tests/vault_test.ts",
  "tests/slow/keychains_test.ts",
  "tests/slow/windows_pipe_shims_test.ts",
  "tests/slow/windows_shims_test.ts",
];
