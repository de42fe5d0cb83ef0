import { isAbsolute } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { mapSome } from "../base/map_some.ts";
import { quoteForShell, quoteName } from "../base/text.ts";
import { MIB } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { accountNames, loginCommand } from "../config/account_choice.ts";
import { type ConfigFault, formatFault } from "../config/config_fault.ts";
import { inheritedFrom, PLATFORM } from "../config/inherited_variables.ts";
import { readClink } from "../config/clink_file.ts";
import { readModels } from "../config/models_file.ts";
import { isDirectory, isFile } from "../config/path_kind.ts";
import { bindToSession, type ServerConfig } from "../config/server_config.ts";
import { readServers, type ServersFile } from "../config/servers.ts";
import { FILES } from "../process/launch.ts";
import { ProcessHost } from "../process/process_host.ts";
import { connectUrl } from "../remote/url_transport.ts";
import { type ServerTrial, tryServer } from "../upstream/try_server.ts";
import { credentialsHere } from "./check_vault.ts";
import { namedProxies } from "./check_network.ts";
import { configWarning, fault, type Finding, warning } from "./finding.ts";
import { installAdvice } from "./install_advice.ts";
import type { Installation } from "./installation.ts";
import { trustFinding } from "./trust_finding.ts";

/** Servers that are started at once. */
const AT_ONCE = 4;

const IN_FILE = "correct that place in mcp.json; it is read again when it is saved";

/** `mcp.json` with the variables this process and the login shell have, and the secrets of this user. */
export async function readServersHere(installation: Installation): Promise<ServersFile> {
  const { paths, env, login, settings } = installation;
  await using credentials = credentialsHere(installation);
  return await readServers(paths.config, {
    env,
    loginEnv: async () => await login() ?? {},
    ownPort: settings.port || undefined,
    secrets: credentials.reader,
  });
}

/** What is wrong in `mcp.json`, and which of its variables only this terminal has. */
export async function checkServersFile(
  installation: Installation,
  reading: Promise<ServersFile>,
): Promise<Finding[]> {
  const { paths, env, login, settings } = installation;
  const distrusted = trustFinding(paths.config, paths);
  if (distrusted) return [distrusted];
  const file = await reading;
  const findings = [
    ...file.faults.map((found) => fault(idOf(found, "servers-file"), formatFault(found), IN_FILE)),
    ...file.warnings.map((found) => configWarning(idOf(found, "servers-file-warning"), found, IN_FILE)),
  ];
  const shell = file.servers.size === 0 || installation.isQuick ? undefined : await login();
  if (shell === undefined) return findings;
  // A daemon that a window starts has what every server inherits, and what the login shell adds.
  const started = await readServers(paths.config, {
    env: { ...inheritedFrom(env, PLATFORM), ...shell },
    ownPort: settings.port || undefined,
  });
  const lacked = ({ faults, warnings }: ServersFile) => {
    const found = [...faults, ...warnings].filter(({ unset }) => unset !== undefined);
    return new Map(found.map((one) => [formatFault(one), one]));
  };
  const known = lacked(file);
  const only = [...lacked(started)].filter(([shown]) => !known.has(shown)).map(([, found]) => found);
  return [
    ...findings,
    ...only.map(({ server, unset }) =>
      warning(
        "variable-only-here",
        `server "${server}" needs ${unset}, which this terminal has and your login shell has not: a daemon that a ` +
          "window starts lacks it",
        `set ${unset} in the profile of your shell, or write \${file:PATH} in mcp.json`,
      )
    ),
  ];
}

function idOf({ unset }: ConfigFault, otherwise: string): string {
  return unset === undefined ? otherwise : "variable-unset";
}

/** What is wrong in `models.json`. */
export async function checkModelsFile({ paths, env }: Installation): Promise<Finding[]> {
  const distrusted = trustFinding(paths.models, paths);
  if (distrusted) return [distrusted];
  const { faults } = await readModels(paths.models, env);
  return faults.map((found) =>
    fault(
      "models-file",
      formatFault(found),
      "correct that place in models.json; it is read again when it is saved",
    )
  );
}

/** What is wrong in `clink.json`. */
export async function checkClinkFile({ paths, env }: Installation): Promise<Finding[]> {
  const distrusted = trustFinding(paths.clink, paths);
  if (distrusted) return [distrusted];
  const { faults } = await readClink(paths.clink, env);
  return faults.map((found) =>
    fault(
      "clink-file",
      formatFault(found),
      "correct that place in clink.json; it is read again when it is saved",
    )
  );
}

/** Starts every server once, in an empty directory, and ends it when it has listed its tools. */
export async function checkServers(
  installation: Installation,
  reading: Promise<ServersFile>,
): Promise<Finding[]> {
  const { servers } = await reading;
  if (installation.isQuick || servers.size === 0) return [];
  const { settings, paths, env, login, waitMs } = installation;
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-doctor-" }));
  try {
    await using host = new ProcessHost({
      env,
      login: { ...await login() },
      wrapperDir: settings.resolveWrappers && await isDirectory(paths.home) ? paths.home : undefined,
    });
    await using credentials = credentialsHere(installation);
    const connect = async (config: ServerConfig, signal: AbortSignal) =>
      config.kind === "stdio" ? await host.spawn(config, signal) : connectUrl(config, {
        maxMessageBytes: Math.max(settings.maxFrameBytes, 4 * MIB),
        authorization: credentials.authorizationOf(config),
      });
    const clientInfo = { name: "exai-doctor", version: VERSION };
    const found = await mapSome(AT_ONCE, servers.values(), async (config): Promise<Finding[]> => {
      const place = await placeFinding(config) ?? await programFinding(config);
      if (place) return [place];
      try {
        const found: Finding[] = [];
        for (const bound of ofEachAccount(bindToSession(config, dir))) {
          const trial = await tryServer(bound, { connect, clientInfo, timeoutMs: waitMs });
          found.push(...describeTrial(bound, trial, env));
        }
        return found;
      } catch (thrown) {
        return [fault("server-fails", messageOf(thrown), IN_FILE)];
      }
    });
    return found.flat();
  } finally {
    await Deno.remove(dir, { recursive: true }).catch(() => {});
  }
}

/** `config` for each account that windows may have at its server. */
function ofEachAccount(config: ServerConfig): ServerConfig[] {
  return config.kind === "stdio" ? [config] : accountNames(config).map((account) => ({ ...config, account }));
}

/** A directory of an entry that is not there. */
async function placeFinding(config: ServerConfig): Promise<Finding | undefined> {
  const cwd = config.kind === "stdio" ? config.cwd ?? "" : "";
  if (!isAbsolute(cwd) || await isDirectory(cwd)) return undefined;
  return fault(
    "server-directory-missing",
    `server "${config.title}" cannot start: its directory ${cwd} does not exist`,
    "correct cwd in mcp.json, or make the directory",
  );
}

/** A program that is there and may not be run: the system says only that it has none. */
async function programFinding(config: ServerConfig): Promise<Finding | undefined> {
  if (config.kind !== "stdio" || !isAbsolute(config.command)) return undefined;
  if (!await isFile(config.command) || await FILES.isExecutable(config.command)) return undefined;
  return fault(
    "program-not-executable",
    `server "${config.title}" cannot start: ${config.command} is there and may not be run`,
    `chmod u+x ${
      quoteForShell(config.command)
    }, or write the program that runs it as command and the file as its first argument`,
  );
}

function describeTrial(
  config: ServerConfig,
  trial: ServerTrial,
  env: Readonly<Record<string, string>>,
): Finding[] {
  const { title } = config;
  switch (trial.outcome) {
    case "answers":
      return [];
    case "needs a login":
      return [loginFinding(config, trial.why)];
    case "missing":
      return [missingProgram(title, config.kind === "stdio" ? config.command : "")];
    case "silent":
      return [fault(
        "server-silent",
        `server "${title}": ${trial.why}`,
        config.kind === "stdio"
          ? "run its command in a terminal and see what it waits for; a package that is installed the first time " +
            "takes longer: doctor --wait=120, and startTimeoutMs in mcp.json"
          : `see whether it runs, and whether its URL is right${proxyAdvice(env)}`,
      )];
    case "fails":
      return [fault("server-fails", trial.why, failureAdvice(config, { trial, env }))];
  }
}

function loginFinding(config: ServerConfig, why: string): Finding {
  const { name, account } = { account: undefined, ...config };
  return warning("login-required", why, loginCommand({ server: name, account }));
}

function missingProgram(title: string, command: string): Finding {
  const where = /[/\\]/.test(command) ? "is not there" : "is in no directory of the PATH";
  const what = `server "${title}" cannot start: its program ${quoteName(command)} ${where}`;
  return fault("program-missing", what, installAdvice(command));
}

function failureAdvice(
  config: ServerConfig,
  { trial, env }: {
    trial: Extract<ServerTrial, { outcome: "fails" }>;
    env: Readonly<Record<string, string>>;
  },
): string {
  if (config.kind === "stdio") {
    return "run its command in a terminal; its log is logs/server-NAME.log in the state directory";
  }
  const isRefused = trial.status === 401 || trial.status === 403;
  if (isRefused && config.headersHelper) {
    return "run its headersHelper in a terminal and see what it prints; what that signs in with may have expired";
  }
  if (UNTRUSTED_CERTIFICATE.test(trial.why)) return TRUST_ADVICE;
  return urlAdvice(trial.status, env);
}

/** As Deno says it of an authority that it does not know. */
const UNTRUSTED_CERTIFICATE = /invalid peer certificate: UnknownIssuer/;
const TRUST_ADVICE =
  "trust the authority that made its certificate: set DENO_CERT to the file of its certificate, or " +
  "DENO_TLS_CA_STORE=system, in the profile of your shell; then exai-daemon restart";

/** What to do about a server behind a URL that fails, by the HTTP status with which it refused, if it did. */
function urlAdvice(status: number | undefined, env: Readonly<Record<string, string>>): string {
  if (status === 401 || status === 403) {
    return 'give it a key in mcp.json: "headers": {"Authorization": "Bearer ${env:NAME}"}; the one it has may ' +
      "have expired";
  }
  if (status === 429) return "it is asked too often, by whomever: wait, or ask whoever runs it for more";
  if (status !== undefined && status >= 500) {
    // A proxy answers so too, in place of a server it cannot reach.
    return `it is reached and fails itself: see its own log, or ask whoever runs it${proxyAdvice(env)}`;
  }
  if (status === 404 || status === 405) {
    return "it is reached and has no MCP server there: see its documentation for the path, often /mcp or /sse, and " +
      "write it into its url in mcp.json";
  }
  return `see whether it runs, and whether its URL in mcp.json is right${proxyAdvice(env)}`;
}

function proxyAdvice(env: Readonly<Record<string, string>>): string {
  const [proxy] = namedProxies(env);
  return proxy === undefined ? "" : `; it is reached through the proxy of ${proxy.variable}, ${proxy.shown}`;
}
