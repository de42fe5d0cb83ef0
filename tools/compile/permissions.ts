/**
 * What the shim may do. Where the daemon listens, and where its state is kept, are known only when it runs; native code
 * and code from the network are what it never loads. Questions on stdin would end up in MCP.
 */
const SHIM_PERMISSIONS = [
  "--allow-env",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-sys",
  "--no-prompt",
];

/**
 * On Windows all permissions: Deno connects to a named pipe, on which the daemon listens, only with all of them, and the
 * daemon is started by functions of the system, outside of what ends with the client.
 */
const WINDOWS_SHIM_PERMISSIONS = ["--allow-all", "--no-prompt"];

/** The flags of `deno compile` for what the shim may do. */
export function shimPermissions(isWindows: boolean): readonly string[] {
  return isWindows ? WINDOWS_SHIM_PERMISSIONS : SHIM_PERMISSIONS;
}

/**
 * The daemon runs any command `mcp.json` names, so denying it anything gains nothing. With less than all permissions it
 * could not read `/proc` (Deno requires `--allow-all`), where it finds orphans of servers and their memory use.
 */
export const DAEMON_PERMISSIONS: readonly string[] = ["--allow-all"];
