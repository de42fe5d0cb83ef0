import { ExaiError, messageOf } from "../base/errors.ts";
import { getLogger } from "@logtape/logtape";
import { escapeVariables } from "../base/template.ts";
import { readEnvFile } from "./regular_file.ts";
import { bindToSession, type ServerConfig } from "./server_config.ts";
import { whyUntrusted } from "./trust.ts";
import { keepNamedSecret } from "./secret_values.ts";
import type { SessionFolders } from "./workspace_variables.ts";

const log = getLogger(["exai", "config"]);

/**
 * Variables that have a program load or run something else, and what their names begin with. A file in a directory that
 * came from elsewhere, such as a repository that was cloned, may not set them: opening it would run its code.
 */
const RUNS_CODE: ReadonlySet<string> = new Set(
  ("PATH PATHEXT COMSPEC SHELL SHELLOPTS BASHOPTS BASH_ENV ENV PS4 IFS CDPATH HOME USERPROFILE APPDATA LOCALAPPDATA " +
    "NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED VIRTUAL_ENV RUBYOPT RUBYLIB PHPRC " +
    "PHP_INI_SCAN_DIR JAVA_TOOL_OPTIONS JAVA_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH EDITOR VISUAL PAGER " +
    "BROWSER LESSOPEN LESSCLOSE SSH_ASKPASS HTTP_PROXY HTTPS_PROXY ALL_PROXY")
    .split(" "),
);
const RUNS_CODE_PREFIXES =
  ("LD_ DYLD_ GIT_ NPM_CONFIG_ YARN_ BUN_ DENO_ UV_ PIP_ BUNDLE_ CARGO_ RUSTC_ GCONV_ GLIBC_ MALLOC_ DOCKER_ BASH_FUNC_ " +
    "PYTHON PERL GEM_ DOTNET_ COR_ CORECLR_ XDG_ SSL_CERT_").split(" ");

function runsCode(variable: string): boolean {
  const name = variable.toUpperCase();
  return RUNS_CODE.has(name) || RUNS_CODE_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/**
 * `config` with the variables of its `envFile` in `env`, where that file is in a directory of the session. A directory
 * without such a file has no variables.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the file cannot be used
 */
export async function withEnvFile(config: ServerConfig, folders: SessionFolders): Promise<ServerConfig> {
  if (config.kind !== "stdio" || config.envFile === undefined) return config;
  const { envFile: path = "" } = bindToSession(config, folders.workspace, folders);
  const variables = Object.entries(await read(path, config.title));
  const refused = variables.map(([name]) => name).filter(runsCode);
  if (refused.length > 0) {
    log.warning(
      'server "{server}": {path} sets {refused}, which {verb} left out: a file of a workspace may not choose ' +
        "what is run",
      {
        server: config.title,
        path,
        refused: refused.join(", "),
        verb: refused.length === 1 ? "is" : "are",
      },
    );
  }
  const kept = variables.filter(([name]) => !runsCode(name));
  for (const [name, value] of kept) keepNamedSecret(name, value);
  const env = Object.fromEntries(kept.map(([name, value]) => [name, escapeVariables(value)]));
  const { envFile: _, ...rest } = config;
  return { ...rest, env: { ...env, ...config.env } };
}

async function read(path: string, title: string): Promise<Record<string, string>> {
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) throw unusable(title, `the envFile ${path} is not used: ${distrust}`);
  try {
    return await readEnvFile(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return {};
    throw unusable(title, `the envFile ${path} cannot be read: ${messageOf(thrown)}`);
  }
}

function unusable(title: string, why: string): ExaiError {
  return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${title}" was not started: ${why}`, {
    details: { server: title, fault: "caller" },
  });
}
