/** What says whether a browser that is started shows up before the person who asked for it. */
interface Desktop {
  os: typeof Deno.build.os;
  env: Readonly<Record<string, string>>;
}

/**
 * Whether this process runs on the desktop of the person who started it, where a browser can be opened on a file of this
 * process: not by SSH, not without a display as in most containers, and not in WSL, whose browser is one of Windows that
 * does not know the files of Linux by their names.
 */
export function hasDesktop(
  { os, env }: Desktop = { os: Deno.build.os, env: Deno.env.toObject() },
): boolean {
  if (env.SSH_CONNECTION || env.SSH_TTY || env.WSL_DISTRO_NAME) return false;
  return os !== "linux" || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** What kind of terminal the user says that this program is on, by `TERM`; empty where nobody says it. */
export function terminalKind(): string {
  return Deno.env.get("TERM") ?? "";
}
