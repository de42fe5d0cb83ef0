import { messageOf } from "../base/errors.ts";
import type { ServersFile } from "../config/servers.ts";
import { checkClients } from "./check_clients.ts";
import { checkClock } from "./check_clock.ts";
import { checkDaemon } from "./check_daemon.ts";
import { checkDisks } from "./check_disk.ts";
import { checkFiles } from "./check_files.ts";
import { checkHome } from "./check_home.ts";
import { checkProxies } from "./check_network.ts";
import { checkPort } from "./check_port.ts";
import {
  checkClinkFile,
  checkModelsFile,
  checkServers,
  checkServersFile,
  readServersHere,
} from "./check_servers.ts";
import { checkRecords } from "./check_records.ts";
import { checkAccess, checkSettings } from "./check_settings.ts";
import { checkPrograms, checkSystem } from "./check_system.ts";
import { checkToken } from "./check_token.ts";
import { checkVault } from "./check_vault.ts";
import { type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** One thing that `exai-daemon doctor` looks at. */
interface Check {
  /** What it looks for, for the documentation. */
  looksFor: string;
  run(installation: Installation, servers: Promise<ServersFile>): Promise<Finding[]>;
}

/** The checks by name, in the order they are shown. */
export const CHECKS: Readonly<Record<string, Check>> = {
  settings: {
    looksFor: "values that are not allowed in variables, the env file and `exai.json`, by line",
    run: checkSettings,
  },
  access: {
    looksFor:
      "an address for other machines without token or TLS; certificates and keys that cannot be used or expire",
    run: checkAccess,
  },
  home: {
    looksFor:
      "a state directory that is another user's, open to others, or cannot be written; secrets others can " +
      "read; what ended processes have left",
    run: checkHome,
  },
  files: {
    looksFor:
      "files of EXAI that belong to another user, as after sudo, or that you may not read or write; " +
      "settings that name a file that is not there",
    run: checkFiles,
  },
  disk: {
    looksFor:
      "full disks, also those of temporary files and of the journal; file systems without reliable locks",
    run: checkDisks,
  },
  daemon: {
    looksFor:
      "a daemon that hangs, does not let us in, is of another version, reports a fault, or could not start",
    run: checkDaemon,
  },
  token: { looksFor: "a token that is another user's, can be read by others, or is none", run: checkToken },
  vault: {
    looksFor: "accounts and secrets that cannot be read: a key that is lost, a keychain that is locked",
    run: checkVault,
  },
  port: {
    looksFor:
      "a port that another program has or the system does not give; something in the place of the socket",
    run: checkPort,
  },
  clock: {
    looksFor:
      "a clock that differs from that of servers behind URLs, or is behind the files of the state directory",
    run: checkClock,
  },
  proxy: {
    looksFor: "proxies that cannot be reached, are no URL, or stand between this machine and itself",
    run: checkProxies,
  },
  system: {
    looksFor: "too few file handles, a login shell that hangs, a runtime directory of another user",
    run: checkSystem,
  },
  programs: {
    looksFor: "an `exai-shim` that is missing, cannot be run or is of another version",
    run: checkPrograms,
  },
  "mcp.json": {
    looksFor: "faults by line, variables that are not set or only here, files others can change",
    run: checkServersFile,
  },
  servers: {
    looksFor:
      "servers whose program or directory is missing, that hang, end, cannot be reached, or need a login",
    run: checkServers,
  },
  clients: {
    looksFor:
      "editors and agents that start an EXAI that is not there, another one or with settings it does not use; " +
      "servers they start once more",
    run: checkClients,
  },
  "models.json": { looksFor: "faults by line", run: checkModelsFile },
  "clink.json": { looksFor: "faults by line, files others can change", run: checkClinkFile },
  records: {
    looksFor: "daemons that were killed, reports of crashes, databases that are damaged",
    run: checkRecords,
  },
};

/** What one check has found. */
export interface CheckResult {
  check: string;
  findings: Finding[];
}

/** Runs every check. One that fails itself is a finding, and the others go on. */
export async function examine(installation: Installation): Promise<CheckResult[]> {
  const servers = readServersHere(installation);
  return await Promise.all(
    Object.entries(CHECKS).map(async ([check, { run }]) => {
      const findings = await run(installation, servers).catch((thrown) => [
        warning(
          "check-failed",
          `${check} could not be checked: ${messageOf(thrown)}`,
          "the other checks went on",
        ),
      ]);
      return { check, findings };
    }),
  );
}
