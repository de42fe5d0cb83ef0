import { SEPARATOR } from "@std/path";
import { normalize as normalizePosix } from "@std/path/posix/normalize";
import { normalize as normalizeWindows } from "@std/path/windows/normalize";
import { trimEndOf } from "./text.ts";

/** The path of a URI on this machine, or why it has none. */
type UriPath = { path: string; why?: undefined } | { path?: undefined; why: string };

const ON_WINDOWS = SEPARATOR === "\\";

/**
 * The absolute path of a `file:` URI, or of a plain absolute path. Accepts the improper URIs that
 * clients send: a raw `%`, `#`, `?` or space, a drive letter as the host, escapes that are not UTF-8. A host is
 * rejected by its name: resolving it would send this user's name to it (UNC paths on Windows).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pathOfUri } from "./file_uri.ts";
 *
 * assertEquals(pathOfUri("file:///home/me/a%20b", false), { path: "/home/me/a b" });
 * assertEquals(pathOfUri("file:///C:/work", true), { path: "C:\\work" });
 * ```
 */
export function pathOfUri(uri: string, onWindows = ON_WINDOWS): UriPath {
  const [, scheme, rest = ""] = /^([A-Za-z][A-Za-z\d+.-]+):(.*)$/s.exec(uri) ?? [];
  if (scheme === undefined) return absolute(uri, onWindows);
  if (scheme.toLowerCase() !== "file") return { why: `its scheme is ${scheme}, not file` };
  const text = unescape(onWindows ? rest.replaceAll("\\", "/") : rest);
  const [, host = "", path = ""] = /^\/\/([^/]*)(.*)$/s.exec(text) ?? [undefined, "", text];
  if (/^[A-Za-z]:$/.test(host)) return absolute(`${host}${path}`, onWindows);
  if (host !== "" && host.toLowerCase() !== "localhost") return { why: `it names another machine, ${host}` };
  return absolute(onWindows ? path.replace(/^\/+(?=[A-Za-z]:)/, "") : path, onWindows);
}

/** Devices that Windows sees in every directory, whatever follows their name. */
const DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3])\s*(?:[.:].*)?$/i;

/**
 * Where `path`, by its text alone, leads on Windows other than to a file of this machine. Only to ask whether there is
 * such a file sends the user's name and a hash of the password to another machine, and a device may never answer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { foreignOnWindows } from "./file_uri.ts";
 *
 * assertEquals(foreignOnWindows("\\\\host\\share\\x", true), "another machine");
 * assertEquals(foreignOnWindows("src/nul.txt", true), "a device");
 * assertEquals(foreignOnWindows("C:\\work\\null.txt", true), undefined);
 * assertEquals(foreignOnWindows("//host/share", false), undefined);
 * ```
 */
export function foreignOnWindows(
  path: string,
  onWindows = ON_WINDOWS,
): "another machine" | "a device" | undefined {
  if (!onWindows) return undefined;
  // As the kernel has them too, which knows `\\??\\`.
  const isDevice = /^[\\/](?:[\\/][.?]|\?\?)(?:[\\/]|$)/.test(path) ||
    path.split(/[\\/]/).some((part) => DEVICE.test(part));
  if (isDevice) return "a device";
  return /^[\\/]{2}/.test(path) ? "another machine" : undefined;
}

function absolute(path: string, onWindows: boolean): UriPath {
  if (path.includes("\0")) return { why: "a path cannot hold a NUL character" };
  if (!onWindows) {
    if (!path.startsWith("/")) return { why: "it is no absolute path" };
    return { path: trimEndOf(normalizePosix(path).replace(/^\/+/, "/"), "/") || "/" };
  }
  const plain = normalizeWindows(/^[A-Za-z]:$/.test(path) ? `${path}\\` : path);
  if (plain.startsWith("\\\\")) return { why: "it names another machine or a device" };
  if (!/^[A-Za-z]:\\/.test(`${plain}\\`)) return { why: "it is no absolute path" };
  const trimmed = trimEndOf(plain, "\\");
  return { path: trimmed.length === 2 ? `${trimmed}\\` : trimmed };
}

/** Decodes escapes that form UTF-8 text and keeps others. */
function unescape(text: string): string {
  return text.replace(/(?:%[\dA-Fa-f]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
