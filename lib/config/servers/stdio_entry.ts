import { messageOf } from "../../base/errors.ts";
import { escapeVariables, fill, variablesIn } from "../../base/template.ts";
import { readEnvFile } from "../regular_file.ts";
import type { CommonServerConfig, StdioServerConfig } from "../server_config.ts";
import { isForShell } from "../shell_line.ts";
import { whyUntrusted } from "../trust.ts";
import { keepNamedSecret } from "../secret_values.ts";
import { type OwnVariables } from "../variables.ts";
import { readCommand } from "./command_words.ts";
import type { EntryContext } from "./expand_entry.ts";
import { checkNoSecret, expandAt, isPathWithoutSecret } from "./expand_entry.ts";
import { expandEnvironment } from "./expand_environment.ts";
import type { StdioEntry } from "./keys.ts";
import { whyNoServer } from "./not_servers.ts";
import { checkCommand } from "./self_mount.ts";
import { adviceOnShell } from "./shapes/program.ts";

/** The configuration of a server that is started by a command, made of its entry. */
export async function stdioServerOf(
  entry: StdioEntry,
  common: CommonServerConfig,
  context: EntryContext,
): Promise<StdioServerConfig> {
  const { expander } = context;
  const envFile = await pathAt("envFile", entry.envFile, {}, context);
  const isLate = envFile !== undefined && variablesIn(envFile).length > 0;
  const before = envFile === undefined || isLate ? {} : await readFixedEnvFile(envFile, context);
  const env: OwnVariables = await expandEnvironment(entry.env ?? {}, before, context);
  const words = wordsOf(entry, context);
  const shell = isForShell(words.command, words.args);
  const args: string[] = [];
  for (const [i, arg] of words.args.entries()) {
    const path = i < words.fromCommand ? ["command"] : ["args", i - words.fromCommand];
    const filled = await expandAt(path, arg, { context, own: env, isForShell: shell });
    if (filled !== arg) checkNoSecret(path, filled, context);
    args.push(filled);
  }
  const command = expander.expandHome(await expandAt(["command"], words.command, { context, own: env }));
  if (command !== words.command) checkNoSecret(["command"], command, context);
  const config: StdioServerConfig = { ...common, kind: "stdio", command, args, env };
  if (isLate) config.envFile = envFile;
  checkCommand(config, context);
  checkProgram(config, context);
  for (const [name, value] of Object.entries(env)) if (value) keepNamedSecret(name, value);
  const cwd = await pathAt("cwd", entry.cwd, env, context);
  if (cwd !== undefined) config.cwd = expander.expandHome(cwd);
  return config;
}

/** The path of `key` filled in; undefined where there is none, and where it holds a secret, which is a fault. */
async function pathAt(
  key: "envFile" | "cwd",
  given: string | undefined,
  own: OwnVariables,
  context: EntryContext,
): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const path = await expandAt([key], given, { context, own });
  return isPathWithoutSecret([key], path, context) ? path : undefined;
}

/** The command and its arguments, where they may stand in one text. */
function wordsOf(
  { command, args = [] }: StdioEntry,
  { expander, fault }: EntryContext,
): { command: string; args: readonly string[]; fromCommand: number } {
  const isProgram = (path: string) => expander.isFile(path);
  const line = readCommand(command, isProgram);
  if (line.is === "line") {
    const [first = command, ...rest] = line.words;
    return { command: first, args: [...rest, ...args.map(String)], fromCommand: rest.length };
  }
  if (line.is === "shell") {
    fault(["command"], adviceOnShell(line.because));
  }
  return { command, args: args.map(String), fromCommand: 0 };
}

/** Reports what is started and is no MCP server, by its name. */
function checkProgram({ command, args }: StdioServerConfig, { fault }: EntryContext): void {
  const plain = (text: string) => fill(text, (name) => `\${${name}}`);
  const why = whyNoServer(plain(command), args.map(plain));
  if (why !== undefined) fault(["command"], why);
}

/** The variables of a file that is the same for all sessions. */
async function readFixedEnvFile(path: string, { expander, fault }: EntryContext): Promise<OwnVariables> {
  const file = expander.pathBesideConfig(fill(path, () => ""));
  const distrust = whyUntrusted(file);
  if (distrust !== undefined) {
    fault(["envFile"], `is not used: ${distrust}`);
    return {};
  }
  try {
    const entries = Object.entries(await readEnvFile(file));
    return Object.fromEntries(entries.map(([name, value]) => [name, escapeVariables(value)]));
  } catch (thrown) {
    fault(["envFile"], `cannot be read: ${messageOf(thrown)}`);
    return {};
  }
}
