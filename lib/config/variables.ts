import { isAbsolute, join, SEPARATOR } from "@std/path";
import { expandHome } from "../base/directories.ts";
import { messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { ownEntry } from "../base/json.ts";
import { escapeVariables, fill, splitAtVariables } from "../base/template.ts";
import { closeMatches } from "../base/suggest.ts";
import { MAX_NAME_CHARS, quoteName } from "../base/text.ts";
import { MIB } from "../base/units.ts";
import { isPlainName, plainVariablesIn, withPlainVariables } from "./plain_variables.ts";
import { readRegularFile } from "./regular_file.ts";
import { isSecretName, keepSecret } from "./secret_values.ts";
import { isNameOfSecret, type SecretReader } from "./secrets.ts";
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
  /** What `${input:}` may name: ids under `inputs` in the file. */
  inputs?: readonly string[];
  /** Gives `${secret:NAME}`; `hidden`: a text in its place, for what looks at entries alone; undefined: no secrets here. */
  secrets?: SecretReader | "hidden";
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
const KNOWN =
  "${env:NAME}, ${env:NAME:-default}, ${secret:NAME}, ${file:PATH}, ${userHome} and ${workspaceFolder}";
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Directories of a client's plugin or extension, which only that client knows. */
const PLUGIN_NAME = /^(?:env:)?(CLAUDE_PLUGIN_(?:ROOT|DATA)|extensionPath|__dirname)$/;
/** What a directory holds that is the root of one, by the variable that means it. */
const PLUGIN_MARKS: Readonly<Record<string, string>> = {
  CLAUDE_PLUGIN_ROOT: ".claude-plugin",
  extensionPath: "gemini-extension.json",
  __dirname: "manifest.json",
};
/** Variables of a server's own: the `env` of its entry, filled in but for what depends on the session. */
export type OwnVariables = Readonly<Record<string, string | null>>;

/** The value of the variable `name`, as `${NAME}` and `${env:NAME:-default}`, among `own`. */
function ownValue(name: string, own: OwnVariables): string | undefined {
  const [, key = "", fallback] = /^(?:env:)?([^:]+)(?::-(.*))?$/s.exec(name) ?? [];
  const value = ownEntry(own, key);
  return value === "" && fallback !== undefined ? fallback : value ?? undefined;
}

/** Fills in the variables of `mcp.json`, all but those of the session. */
export class Expander {
  readonly #sources: VariableSources;
  readonly #home: string;
  /** The secrets that were given out, by value. */
  readonly #secrets = new Map<string, string>();

  constructor(sources: VariableSources) {
    this.#sources = sources;
    this.#home = sources.env.HOME || sources.env.USERPROFILE || "";
  }

  /**
   * `text` with its variables filled in, escaped for {@linkcode fill}.
   *
   * @param own variables of the server's own, already filled in, which come before those of the environment
   * @throws {VariableFault}
   */
  async expand(text: string, own: OwnVariables = {}): Promise<string> {
    let expanded = "";
    for (const { literal, name } of splitAtVariables(text)) {
      expanded += escapeVariables(literal);
      if (name === undefined) continue;
      const value = ownValue(name, own);
      if (value !== undefined) expanded += value;
      else if (workspaceVariable(name)) expanded += `\${${name}}`;
      else expanded += escapeVariables(await this.#valueOf(name));
    }
    return expanded;
  }

  /**
   * `text` with the variables that it writes as a shell does, `$NAME` and `%NAME%`, in our spelling; and the names of those
   * that are not set, which stay as they are.
   */
  async spellPlainVariables(
    text: string,
    own: OwnVariables = {},
  ): Promise<{ text: string; unset: string[] }> {
    const unset: string[] = [];
    const names = new Map<string, string>();
    for (const { name, isPercent } of plainVariablesIn(text)) {
      const known = Object.hasOwn(own, name) ? name : await this.#nameInEnvironment(name, isPercent);
      if (known !== undefined) names.set(name, known);
      // `%aF1%` is more likely part of a URL.
      else if (isPlainName(name) && (!isPercent || isShouted(name))) unset.push(name);
    }
    return { text: withPlainVariables(text, names), unset };
  }

  async #nameInEnvironment(name: string, ignoreCase: boolean): Promise<string | undefined> {
    const { env, loginEnv } = this.#sources;
    const fold = (text: string) => ignoreCase ? text.toUpperCase() : text;
    const nameIn = (variables: Variables) =>
      Object.keys(variables).find((key) => fold(key) === fold(name) && variables[key]);
    return nameIn(env) ?? nameIn(await loginEnv?.() ?? {});
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

  /** Whether `path`, whose variables are not filled in yet, is a file that there is. */
  isFile(path: string): boolean {
    const filled = fill(
      path,
      (name) => name === "userHome" ? this.#home : ownEntry(this.#sources.env, name) ?? "",
    );
    try {
      return Deno.statSync(this.pathBesideConfig(filled)).isFile;
    } catch {
      return false;
    }
  }

  /** `path` with a leading `~` as the home directory. */
  expandHome(path: string): string {
    return expandHome(path, this.#home);
  }

  #valueOf(name: string): string | Promise<string> {
    const [, kind, rest = ""] = /^([a-z]+):(.*)$/s.exec(name) ?? [];
    if (kind === "env") return this.#envValue(rest);
    if (kind === "file") return this.#fileValue(rest);
    if (kind === "secret") return this.#secretValue(rest);
    if (kind === "input") throw new VariableFault(inputAdvice(rest, this.#sources.inputs));
    if (name === "userHome") return this.#home;
    const plugin = PLUGIN_NAME.exec(name)?.[1];
    if (plugin !== undefined) return this.#pluginValue(plugin);
    if (name === "pathSeparator" || name === "/") return SEPARATOR;
    // The form without a prefix, as Claude Code has it.
    if (ENV_NAME.test(name.split(":-")[0] ?? "")) return this.#envValue(name);
    throw new VariableFault(
      `holds ${shownVariable(name)}, which means nothing here; allowed: ${KNOWN}, and $\${ for a literal \${`,
    );
  }

  /** The name of a secret whose value stands in `text`, which this has filled in; undefined where none does. */
  secretIn(text: string): string | undefined {
    for (const [value, name] of this.#secrets) if (text.includes(escapeVariables(value))) return name;
    return undefined;
  }

  /** Whether something stands in `text` for a secret that is not read, so that nothing can be said of its form. */
  isUnknown(text: string): boolean {
    return this.#sources.secrets === "hidden" && this.secretIn(text) !== undefined;
  }

  async #secretValue(name: string): Promise<string> {
    const { secrets } = this.#sources;
    if (!isNameOfSecret(name)) {
      keepSecret(name);
      throw new VariableFault(
        "holds ${secret:…} with something in the braces that is no name of a secret; keep the value by " +
          "`exai-daemon secret set NAME` and write ${secret:NAME}",
      );
    }
    if (secrets === undefined) {
      throw new VariableFault(
        `names \${secret:${name}}, and this file can hold no secrets; write \${file:PATH}`,
      );
    }
    const value = secrets === "hidden" ? `[secret ${name}]` : await secrets.read(name).catch((thrown) => {
      throw new VariableFault(`needs the secret ${name}, ${messageOf(thrown)}`);
    });
    if (secrets !== "hidden") registerSecret(value);
    this.#secrets.set(value, name);
    return value;
  }

  /** The root of a plugin is where its file is; nothing else here knows one. */
  async #pluginValue(name: string): Promise<string> {
    const given = ownEntry(this.#sources.env, name);
    if (given) return given;
    const { configDir } = this.#sources;
    const mark = ownEntry(PLUGIN_MARKS, name);
    const isRoot = mark !== undefined && await Deno.stat(join(configDir, mark)).then(() => true, () => false);
    if (isRoot) return configDir;
    throw new VariableFault(
      `holds \${${name}}, a directory of a client's plugin, which only that client knows; write its path in place of the variable`,
    );
  }

  async #envValue(spec: string): Promise<string> {
    const cut = spec.indexOf(":-");
    const name = cut < 0 ? spec : spec.slice(0, cut);
    const fallback = cut < 0 ? undefined : spec.slice(cut + 2);
    const value = ownEntry(this.#sources.env, name) ?? ownEntry(await this.#sources.loginEnv?.() ?? {}, name);
    if (value || (value !== undefined && fallback === undefined)) {
      return isSecretName(name) ? keepSecret(value) : value;
    }
    if (fallback !== undefined) return fallback;
    if (!isPlainName(name)) throw new VariableFault(secretInBraces(name));
    throw new VariableFault(
      `needs the environment variable ${name}, which is not set; set it in the profile of your shell, ` +
        `as no window's own variables are used, or write \${env:${name}:-default} or \${file:PATH}`,
      { unset: name },
    );
  }

  async #fileValue(spec: string): Promise<string> {
    const path = this.pathBesideConfig(spec);
    const shown = shownVariable(`file:${spec}`);
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
      // The message of the system names the path.
      const why = shown.endsWith("…}")
        ? "it is no path of a file"
        : thrown instanceof Deno.errors.NotFound
        ? `${path} is not there; write the value into it, then run \`exai-daemon reload\``
        : messageOf(thrown);
      throw new VariableFault(`names ${shown}, which cannot be read: ${why}`);
    }
  }
}

/** Whether a name is in capitals alone, and not the digits of a hexadecimal number. */
function isShouted(name: string): boolean {
  return /^[A-Z_]+$/.test(name) && /[G-Z_]/.test(name);
}

/** What stands in braces in place of a name; it is most likely the secret itself. */
function secretInBraces(text: string): string {
  keepSecret(text);
  return "holds ${env:…} with something in the braces that is no name of a variable, perhaps the value itself; write " +
    "the value without ${env: }, or the name of a variable";
}

/** `${name}` as a message shows it: what may be a secret is left out. */
function shownVariable(name: string): string {
  const [, kind = "", rest = ""] = /^([A-Za-z]{1,12}[:.])?(.*)$/s.exec(name) ?? [];
  const isShown = rest.length <= MAX_NAME_CHARS &&
    (kind === "file:"
      ? isPlainPath(rest)
      : rest.split(/[.:-]/).every((part) => part === "" || isPlainName(part)));
  if (!isShown) keepSecret(rest);
  return isShown ? `\${${name}}` : `\${${kind}…}`;
}

/** Whether `path` is written as a path: rooted, or of plain names. A token may hold dots and slashes too. */
function isPlainPath(path: string): boolean {
  const isRooted = /^(?:~?[/\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\])/.test(path);
  return isRooted || path.split(/[/\\.-]/).every((part) => part === "" || isPlainName(part));
}

function inputAdvice(spec: string, declared: readonly string[] = []): string {
  const id = spec.replace(/:.*$/s, "");
  if (!id.split(/[.:_-]/).every((part) => part === "" || isPlainName(part))) return secretInBraces(id);
  const name = id.toUpperCase().replace(/[^A-Z0-9]+/g, "_") || "NAME";
  const [close] = declared.includes(id) ? [] : closeMatches(id, declared);
  const typo = close === undefined ? "" : ` (inputs has ${quoteName(close)})`;
  return `asks an editor for a value with \${input:${id}}${typo}, and no editor is there to answer; put the value into the ` +
    `environment and write \${env:${name}}, or into a file only you can read and write \${file:~/PATH}`;
}
