import { fnv1a, trimEndOf, trimStartOf } from "../../base/text.ts";

const MAX_NAME_CHARS = 64;

/**
 * The name of a server in the catalog and in URLs, made of its name in the file. One without an ASCII letter or digit, such
 * as a Chinese one, gets a name with a hash of its own.
 *
 * @returns undefined when the name in the file is blank
 */
export function catalogName(title: string): string | undefined {
  const name = trimEndOf(trimStartOf(title.replace(/[^A-Za-z0-9_-]+/g, "-"), "-"), "-").slice(
    0,
    MAX_NAME_CHARS,
  );
  if (/[A-Za-z0-9]/.test(name)) return name;
  const letters = title.normalize("NFC").trim();
  return letters === "" || /^[\x20-\x7e]*$/.test(letters) ? name || undefined : `server-${fnv1a(letters)}`;
}

/** Another name for a server whose own is taken, where letters outside ASCII were lost in it. */
export function distinctName(title: string): string | undefined {
  const name = catalogName(title);
  const letters = title.normalize("NFC").trim();
  if (name === undefined || /^[\x20-\x7e]*$/.test(letters)) return undefined;
  return `${name.slice(0, MAX_NAME_CHARS - 8)}-${fnv1a(letters)}`;
}
