import { tempDir } from "./files.ts";
import { archiveName, TARGETS } from "../../tools/release/project.ts";
import { installScript } from "../../tools/release/contents.ts";

const system = `${Deno.build.os === "darwin" ? "macos" : "linux"}-${
  Deno.build.arch === "aarch64" ? "arm64" : "x64"
}`;

/** Stands for both programs: it keeps what it is asked in a file, and ends as `T_<COMMAND>` says. */
const PROGRAM = `#!/bin/sh
echo "$*" >>"$T_LOG"
case $1 in
  --version) [ -z "$T_BROKEN" ] || { echo "cannot execute"; exit 126; }; echo "exai-daemon 0.1.0 (test)" ;;
  stop) exit "\${T_STOP:-3}" ;;
  adopt)
    touch "$T_LOG.adopted"
    case "$*" in
      *--json*) [ -s "$T_LOG.adopted" ] && echo '{ "undone": {} }' || printf '{\n  "undone": null\n}\n'; exit 1 ;;
      *--undo*)
        [ -z "$T_STUCK" ] || { echo "c.json cannot be written"; exit 1; }
        [ -s "$T_LOG.adopted" ] || { echo "nothing to take back"; exit 1; }
        sed -i.bak 1d "$T_LOG.adopted"
        ;;
      *--yes*) echo one >>"$T_LOG.adopted" ;;
    esac
    ;;
esac
`;

export interface Ran {
  code: number;
  output: string;
  /** What the program was asked, one command line each. */
  asked: string[];
}

/**
 * A home directory, an unpacked archive with programs that only keep what they are asked, or with `program` in place of
 * each, and its scripts run there.
 */
export async function installPlace(profiles: Readonly<Record<string, string>> = {}, program = PROGRAM) {
  const dir = await tempDir({});
  const target = TARGETS.find(({ name }) => name === system)!;
  const { folder } = archiveName(target);
  const home = `${dir.path}/home of "Ada's $HOME"`;
  const archive = `${dir.path}/${folder}`;
  await Deno.mkdir(home);
  for (const [name, content] of Object.entries(profiles)) {
    await dir.write(`${home.slice(dir.path.length + 1)}/${name}`, content);
  }
  for (const name of ["exai-daemon", "exai-shim"]) await dir.write(`${folder}/${name}`, program);
  for (const name of ["install.sh", "uninstall.sh"]) {
    await dir.write(`${folder}/${name}`, (await installScript(name, undefined)).content);
  }
  await dir.write(`${folder}/LICENSE`, "licence");
  await dir.write(`${folder}/docs/servers.md`, "page");
  for (const name of ["exai-daemon", "exai-shim", "install.sh", "uninstall.sh"]) {
    await Deno.chmod(`${archive}/${name}`, 0o755);
  }
  const installed = `${home}/.local/share/exai`;
  const log = `${dir.path}/asked`;
  const run = async (script: string, args: string[] = [], env: Record<string, string> = {}): Promise<Ran> => {
    await Deno.writeTextFile(log, "");
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: [script, ...args],
      cwd: dir.path,
      clearEnv: true,
      env: {
        HOME: home,
        PATH: "/usr/bin:/bin",
        SHELL: "/bin/bash",
        T_LOG: log,
        T_BROKEN: "",
        T_STUCK: "",
        ...env,
      },
      stdin: "null",
    }).output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { code, output, asked: (await Deno.readTextFile(log)).split("\n").filter(Boolean) };
  };
  return {
    dir: dir.path,
    home,
    archive,
    installed,
    system,
    install: (args?: string[], env?: Record<string, string>) => run(`${archive}/install.sh`, args, env),
    uninstall: (args?: string[], env?: Record<string, string>) => run(`${installed}/uninstall.sh`, args, env),
    run,
    /** Every file below the home with its content. */
    async files(): Promise<Record<string, string>> {
      const found: Record<string, string> = {};
      const walk = async (path: string) => {
        for await (const { name, isDirectory, isFile } of Deno.readDir(path)) {
          if (isDirectory) await walk(`${path}/${name}`);
          // Not the socket of a daemon that runs.
          else if (isFile) {
            found[`${path}/${name}`.slice(home.length + 1)] = await Deno.readTextFile(`${path}/${name}`);
          }
        }
      };
      await walk(home);
      return found;
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
