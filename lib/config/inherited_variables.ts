/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variables every server inherits: the user, the language, directories, how network and desktop are reached. The
 * first ones are what the MCP SDK's clients pass on.
 *
 * Nothing else is inherited. The daemon serves many windows, so variables of the one that started it must not reach
 * every server: neither EXAI's token and keys nor a virtual environment. `mcp.json` adds what a server needs: `"env":
 * {"GITHUB_TOKEN": "${env:GITHUB_TOKEN}"}`.
 */
const INHERITED: Readonly<Record<"posix" | "windows", readonly string[]>> = {
  posix: [
    "HOME LOGNAME SHELL TERM USER",
    "LANG LANGUAGE TZ TMPDIR __CF_USER_TEXT_ENCODING",
    "XDG_CACHE_HOME XDG_CONFIG_DIRS XDG_CONFIG_HOME XDG_DATA_DIRS XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME",
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy",
    "NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE",
    "DISPLAY WAYLAND_DISPLAY XAUTHORITY XDG_SESSION_TYPE DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK",
  ].flatMap((line) => line.split(" ")),
  windows: [
    "APPDATA HOMEDRIVE HOMEPATH LOCALAPPDATA PROCESSOR_ARCHITECTURE SYSTEMDRIVE SYSTEMROOT TEMP USERNAME USERPROFILE",
    "PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 PROGRAMDATA COMMONPROGRAMFILES ALLUSERSPROFILE PUBLIC",
    "COMSPEC PATHEXT WINDIR TMP OS NUMBER_OF_PROCESSORS USERDOMAIN COMPUTERNAME PSMODULEPATH",
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE",
  ].flatMap((line) => line.split(" ")),
};

export type Platform = keyof typeof INHERITED;

/** The kind of system this program runs on. */
export const PLATFORM: Platform = Deno.build.os === "windows" ? "windows" : "posix";

/** The variables of `env` that every server inherits. Names are case-insensitive on Windows. */
export function inheritedFrom(env: Environment, platform: Platform): Record<string, string> {
  const names = new Set(INHERITED[platform]);
  const isInherited = (name: string) =>
    platform === "windows" ? names.has(name.toUpperCase()) : names.has(name) || name.startsWith("LC_");
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // A function exported by bash.
    if (value !== undefined && isInherited(name) && !value.startsWith("()")) kept[name] = value;
  }
  return kept;
}
