import { isAbsolute, join, SEPARATOR } from "@std/path";
import { expandHome } from "../base/directories.ts";
import { messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { ownEntry } from "../base/json.ts";
import { fillSome, variablesIn } from "../base/template.ts";
import { MIB } from "../base/units.ts";
import { readRegularFile } from "./regular_file.ts";
import { whyUntrusted } from "./trust.ts";
import { workspaceVariable } from "./workspace_variables.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** Sources of the values of variables in `mcp.json`. */
export interface VariableSources {
  env: Variables;
  /**
   * The environment of a login shell, read only for a variable that `env` lacks: a daemon started from the desktop has
   * not got it.
   */
  loginEnv?: () => Promise<Variables>;
  /** The directory of `mcp.json`; relative paths in `${file:}` are relative to it. */
  configDir: string;
}

/** A variable that cannot be filled in; the message says why and what to write in its place. */
export class VariableFault extends Error {
  /** The environment variable that is not set; undefined for any other fault. */
  readonly unset: string | undefined;

  constructor(message: string, options: { unset?: string } = {}) {
    super(message);
    this.unset = options.unset;
  }
}

const MAX_FILE_BYTES = MIB;
const KNOWN = "${env:NAME}, ${env:NAME:-default}, ${file:PATH}, ${userHome} and ${workspaceFolder}";
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SECRET_NAME = /TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|_PAT$/i;
const MIN_SECRET_CHARS = 8;

/** Whether a variable or header of this name usually holds a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Keeps `value` out of the logs, unless it is so short that it would hide ordinary words. */
function keepSecret(value: string): string {
  if (value.length >= MIN_SECRET_CHARS && value.length <= MAX_FILE_BYTES / 16) registerSecret(value);
  return value;
}

/**
 * Keeps `value` out of the logs when `name` is that of a secret: servers print their environment and repeat headers in
 * their errors.
 */
export function keepNamedSecret(name: string, value: string): void {
  if (!SECRET_NAME.test(name)) return;
  keepSecret(value);
  // Without the scheme before it, as in "Bearer TOKEN".
  const bare = /^[A-Za-z]+ +(\S+)$/.exec(value)?.[1];
  if (bare) keepSecret(bare);
}

/** Fills in the variables of `mcp.json`, all but those of the session. */
export class Expander {
  readonly #sources: VariableSources;
  readonly #home: string;

  constructor(sources: VariableSources) {
    this.#sources = sources;
    this.#home = sources.env.HOME || sources.env.USERPROFILE || "";
  }

  /**
   * `text` with its variables filled in, escaped for {@linkcode fill}.
   *
   * @throws {VariableFault}
   */
  async expand(text: string): Promise<string> {
    const values = new Map<string, string>();
    for (const name of new Set(variablesIn(text))) {
      if (!workspaceVariable(name)) values.set(name, await this.#valueOf(name));
    }
    return fillSome(text, (name) => values.get(name));
  }

  /** Where programs are searched, and the directory of relative paths. */
  get places(): { searchPath: string; dir: string } {
    const { env, configDir } = this.#sources;
    return { searchPath: env.PATH ?? env.Path ?? "", dir: configDir };
  }

  /** `path` made absolute: `~` is the home directory, others are relative to the configuration. */
  pathBesideConfig(path: string): string {
    const expanded = this.expandHome(path);
    return isAbsolute(expanded) ? expanded : join(this.#sources.configDir, expanded);
  }

  /** `path` with a leading `~` as the home directory. */
  expandHome(path: string): string {
    return expandHome(path, this.#home);
  }

  #valueOf(name: string): string | Promise<string> {
    const [, kind, rest = ""] = /^([a-z]+):(.*)$/s.exec(name) ?? [];
    if (kind === "env") return this.#envValue(rest);
    if (kind === "file") return this.#fileValue(rest);
    if (kind === "input") throw new VariableFault(inputAdvice(rest));
    if (name === "userHome") return this.#home;
    if (name === "pathSeparator" || name === "/") return SEPARATOR;
    // The form without a prefix, as Claude Code has it.
    if (ENV_NAME.test(name.split(":-")[0] ?? "")) return this.#envValue(name);
    throw new VariableFault(
      `holds \${${name}}, which means nothing here; allowed: ${KNOWN}, and $\${ for a literal \${`,
    );
  }

  async #envValue(spec: string): Promise<string> {
    const cut = spec.indexOf(":-");
    const name = cut < 0 ? spec : spec.slice(0, cut);
    const fallback = cut < 0 ? undefined : spec.slice(cut + 2);
    const value = ownEntry(this.#sources.env, name) ?? ownEntry(await this.#sources.loginEnv?.() ?? {}, name);
    if (value || (value !== undefined && fallback === undefined)) {
      return SECRET_NAME.test(name) ? keepSecret(value) : value;
    }
    if (fallback !== undefined) return fallback;
    throw new VariableFault(
      `needs the environment variable ${name}, which is not set; set it in the profile of your shell, ` +
        `as no window's own variables are used, or write \${env:${name}:-default} or \${file:PATH}`,
      { unset: name },
    );
  }

  async #fileValue(spec: string): Promise<string> {
    const path = this.pathBesideConfig(spec);
    const shown = `\${file:${spec}}`;
    const distrust = whyUntrusted(path);
    if (distrust !== undefined) throw new VariableFault(`names ${shown}, which is not used: ${distrust}`);
    try {
      const { size } = await Deno.stat(path);
      if (size > MAX_FILE_BYTES) throw new VariableFault(`names ${shown}, which is over 1 MiB`);
      const text = (await readRegularFile(path)).trim();
      if (text.includes("\0")) throw new VariableFault(`names ${shown}, which is no text`);
      return keepSecret(text);
    } catch (thrown) {
      if (thrown instanceof VariableFault) throw thrown;
      throw new VariableFault(`names ${shown}, which cannot be read: ${messageOf(thrown)}`);
    }
  }
}

function inputAdvice(spec: string): string {
  const id = spec.replace(/:.*$/s, "");
  const name = id.toUpperCase().replace(/[^A-Z0-9]+/g, "_") || "NAME";
  return `asks an editor for a value with \${input:${id}}, and no editor is there to answer; put the value into the ` +
    `environment and write \${env:${name}}, or into a file only you can read and write \${file:~/PATH}`;
}
