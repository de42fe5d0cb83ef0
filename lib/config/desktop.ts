/** What says whether a browser that is started shows up before the person who asked for it. */
interface Desktop {
  os: typeof Deno.build.os;
  env: Readonly<Record<string, string>>;
}

/**
 * Whether this process runs on the desktop of the person who started it, where a browser can be opened: not by SSH, not
 * in a container, not without a display.
 */
export function hasDesktop(
  { os, env }: Desktop = { os: Deno.build.os, env: Deno.env.toObject() },
): boolean {
  if (env.SSH_CONNECTION || env.SSH_TTY) return false;
  return os !== "linux" || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME);
}
