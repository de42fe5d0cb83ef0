/** Programs that run another program, which is named by their arguments. */
const RUNNERS = new Set([
  ..."npx npm pnpm pnpx yarn bunx bun uvx uv pipx pip python python3 py node nodejs deno tsx ts-node php ruby perl"
    .split(" "),
  ..."java go cargo dotnet nix docker podman nerdctl docker-compose cmd sh bash zsh dash env wsl mise npm-run"
    .split(" "),
  ..."sudo nice nohup timeout dotenv dotenvx doppler op direnv cross-env supergateway mcp-proxy".split(" "),
  ..."smithery pwsh powershell xvfb-run exec run x dlx tool create compose".split(" "),
]);

/** Runners whose `-c` is followed by a whole command line. */
const SHELLS = new Set(["sh", "bash", "zsh", "dash"]);

/** Options of runners whose value names the program. */
const NAMING_OPTIONS = new Set([
  "-p",
  "--package",
  "--from",
  "-m",
  "--directory",
  "--project",
  "--stdio",
  "-c",
  "--spec",
]);

/** Options of runners with a value that does not name the program. */
const VALUE_OPTIONS = new Set([
  ..."--env-file --with --with-editable --python --index --index-url --extra-index-url --registry --prefix"
    .split(" "),
  ..."--cache --key --profile --config --client --import --require -r --loader --tsconfig --unset".split(" "),
]);

/** The same for container runtimes; some of these take no value elsewhere, as in `python -u`. */
const CONTAINER_VALUE_OPTIONS = new Set([
  ..."-e --env --env-file -v --volume --mount --name --network --net -w --workdir -u --user --platform".split(
    " ",
  ),
  ..."--entrypoint -l --label -m --memory --cpus --add-host --dns --ipc --pid --gpus --hostname -h".split(
    " ",
  ),
  ..."-p --publish --tmpfs --cap-add --cap-drop --security-opt --restart --ulimit --shm-size --device --pull"
    .split(
      " ",
    ),
  ..."--log-driver --log-opt --group-add --ip --link --mac-address --memory-swap --runtime".split(
    " ",
  ),
  ..."--stop-signal --stop-timeout --sysctl --userns --uts --volumes-from --cidfile --cgroupns --annotation"
    .split(
      " ",
    ),
  ..."--cpu-shares -c --cpuset-cpus --dns-search --expose --health-cmd --label-file --network-alias".split(
    " ",
  ),
]);

/** Commands of a shell that run no program; what a line does after them is read on. */
const SHELL_COMMANDS = new Set("cd source . export set unset umask ulimit : true".split(" "));

const CONTAINER_RUNNERS = new Set(["docker", "podman", "nerdctl", "docker-compose"]);

/** How a word names a program. */
type ReferenceKind =
  /** A package of the npm registry. */
  | "npm"
  /** A package of PyPI. */
  | "pypi"
  /** A module of Python. */
  | "module"
  /** A container image. */
  | "image"
  /** A path, or the name of a program. */
  | "program"
  /** A program of a package that is named before. */
  | "command"
  /** The directory of a project. */
  | "directory"
  | "url";

/** A word of a command line that names the program it runs. */
export interface ProgramReference {
  text: string;
  kind: ReferenceKind;
}

/** What the argument of a runner is, where its name alone says that. */
const ARGUMENT_OF = new Map<string, ReferenceKind>([
  ["npx", "npm"],
  ["pnpx", "npm"],
  ["bunx", "npm"],
  ["dlx", "npm"],
  ["smithery", "npm"],
  ["uvx", "pypi"],
  ["pipx", "pypi"],
  ["docker", "image"],
  ["podman", "image"],
  ["nerdctl", "image"],
]);

/** Commands of package managers that run a package. */
const PACKAGE_COMMANDS = new Map<string, ReferenceKind>([
  ["npm exec", "npm"],
  ["npm x", "npm"],
  ["bun x", "npm"],
  ["uv tool", "pypi"],
]);

/** Words after a runner that say no more than that it runs something. */
const SUBCOMMANDS = new Set(["run", "exec", "x", "tool", "create", "compose"]);

/** Options whose value is of another kind than the argument of their runner. */
const KIND_OF_OPTION = new Map<string, ReferenceKind>([
  ["-m", "module"],
  ["--directory", "directory"],
  ["--project", "directory"],
  ["--package", "npm"],
  ["--from", "pypi"],
  ["--spec", "pypi"],
]);

/**
 * The words that name the program of a command: packages, scripts, modules, images, and the URL it leads to. Arguments
 * of the program itself are ignored: a file server with a directory `shell` is not a shell.
 */
export function programReferences(command: string, args: readonly string[]): ProgramReference[] {
  const found: ProgramReference[] = [];
  const queue = [command, ...args].flatMap(unquoted);
  let isContainer = false;
  let kind: ReferenceKind = "program";
  let isPackageNamed = false;
  let previous = "";
  for (let i = 0; i < queue.length; i++) {
    const word = queue[i]!;
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(word)) continue;
    if (word.startsWith("-") || /^\/[a-z]$/i.test(word)) {
      const [option, value] = splitOption(word);
      if (isContainer) {
        if (CONTAINER_VALUE_OPTIONS.has(option) && value === undefined) i++;
        continue;
      }
      if (NAMING_OPTIONS.has(option) && !(option === "-p" && kind === "pypi")) {
        // `sh -c "npx -y x"`: what is run is read on.
        if (option === "-c" && (SHELLS.has(previous) || runnerOf(queue[i + 1] ?? ""))) continue;
        const named = { text: value ?? queue[++i] ?? "", kind: KIND_OF_OPTION.get(option) ?? kind };
        isPackageNamed ||= named.kind === "npm" || named.kind === "pypi";
        found.push(named);
      } else if ((VALUE_OPTIONS.has(option) || option === "-p") && value === undefined) i++;
      // `python -m x`: the rest are arguments of x.
      if (option === "-m") return found;
      continue;
    }
    const runner = runnerOf(word, isContainer);
    if (runner !== undefined) {
      // `docker run node:22 npx x`: what follows an image that is a runner is its own command line.
      isContainer = CONTAINER_RUNNERS.has(runner) || (isContainer && SUBCOMMANDS.has(runner));
      kind = kindAfter(runner, { previous, kind });
      previous = runner;
      continue;
    }
    // `npx -p package program`
    found.push({ text: word, kind: isPackageNamed ? "command" : kind });
    // `mcp-remote URL`: the URL names the server too.
    const next = queue[i + 1];
    if (next && /^https?:/.test(next)) found.push({ text: next, kind: "url" });
    return found;
  }
  return found;
}

// A shell gets a whole command line as one argument.
function unquoted(argument: string): string[] {
  const isLine = /\s/.test(argument) && !/^[/\\]|^[A-Za-z]:[\\/]/.test(argument);
  if (!isLine) return [argument];
  return argument.split(/&&|;|\|\|/).map((part) => part.split(/[\s"']/).filter((word) => word !== ""))
    .filter(([first]) => first !== undefined && !SHELL_COMMANDS.has(first)).flat();
}

function splitOption(word: string): [option: string, value: string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function kindAfter(
  runner: string,
  { previous, kind }: { previous: string; kind: ReferenceKind },
): ReferenceKind {
  const known = PACKAGE_COMMANDS.get(`${previous} ${runner}`) ?? ARGUMENT_OF.get(runner);
  return known ?? (SUBCOMMANDS.has(runner) ? kind : "program");
}

/** The name of a runner, without path, extension and version; undefined if `word` is not one. */
function runnerOf(word: string, isImage = false): string | undefined {
  if (word.startsWith("npm:") || word.startsWith("jsr:")) return undefined;
  if (/^@smithery[/\\]cli(@|$)/.test(word)) return "smithery";
  const name = isImage ? baseOf(word).replace(/:[\w.-]+$/, "") : baseOf(word);
  const plain = name.toLowerCase().replace(/\.(exe|cmd|bat|ps1)$/, "").replace(/@.*/, "");
  const isRunner = RUNNERS.has(plain) || /^(python|php|node|ruby|pypy|java)[\d.]+$/.test(plain);
  return isRunner ? plain : undefined;
}

/** The last part of a path, in the way of any system. */
export function baseOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
