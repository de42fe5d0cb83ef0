/** Programs that run another program, which is named by their arguments. */
const RUNNERS = new Set([
  ..."npx npm pnpm pnpx yarn bunx bun uvx uv pipx pip python python3 py node nodejs deno tsx ts-node php ruby perl"
    .split(" "),
  ..."java go cargo dotnet nix docker podman nerdctl docker-compose cmd sh bash zsh dash env wsl mise npm-run"
    .split(" "),
  ..."sudo nice nohup timeout dotenv dotenvx doppler op direnv cross-env supergateway mcp-proxy".split(" "),
  ..."smithery pwsh powershell xvfb-run exec run x dlx tool create compose".split(" "),
]);

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
  ..."-p --publish --tmpfs --cap-add --cap-drop --security-opt --restart --ulimit --shm-size --device".split(
    " ",
  ),
]);

const CONTAINER_RUNNERS = new Set(["docker", "podman", "nerdctl", "docker-compose"]);

/** Names of folders and files that do not identify a program. */
const GENERIC = new Set([
  ..."dist build out lib libs src source bin target release debug app apps server servers mcp cli main index"
    .split(" "),
  ..."start run stdio bundle cjs esm node_modules __main__ package packages mod launch entry program js ts"
    .split(" "),
  ..."launcher wrapper scripts script tools".split(" "),
]);

/**
 * The names of the program that a command runs: `npx -y pkg@1`, `uvx --from x y`, `python -m x`,
 * `node path/dist/index.js`, `docker run ... image:tag`, `cmd /c ...`, `sh -c "..."`. Each is lower-case words separated
 * by spaces. Arguments of the program itself are ignored: a file server with a directory `shell` is not a shell.
 *
 * @example
 * ```ts
 * import { programNames } from "./program_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(programNames("npx", ["-y", "@playwright/mcp@latest"]), ["mcp", "playwright mcp", "playwright", "playwright mcp"]);
 * ```
 */
export function programNames(command: string, args: readonly string[]): string[] {
  const names: string[] = [];
  const queue = [command, ...args].flatMap(unquoted);
  let isContainer = false;
  for (let i = 0; i < queue.length; i++) {
    const word = queue[i]!;
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(word)) continue;
    if (word.startsWith("-") || /^\/[a-z]$/i.test(word)) {
      const [option, value] = splitOption(word);
      if (isContainer) {
        if (CONTAINER_VALUE_OPTIONS.has(option) && value === undefined) i++;
        continue;
      }
      if (NAMING_OPTIONS.has(option)) names.push(...namesOf(value ?? queue[++i] ?? ""));
      else if (VALUE_OPTIONS.has(option) && value === undefined) i++;
      // `python -m x`: the rest are arguments of x.
      if (option === "-m") return names;
      continue;
    }
    const runner = runnerOf(word);
    if (runner !== undefined) {
      isContainer ||= CONTAINER_RUNNERS.has(runner);
      continue;
    }
    names.push(...namesOf(word));
    // `mcp-remote URL`: the URL names the server too.
    const next = queue[i + 1];
    if (next && /^https?:/.test(next)) names.push(...namesOfUrl(next));
    return names;
  }
  return names;
}

/** The names in the path of a URL, by which hosts of many servers distinguish them. */
export function namesOfUrl(url: string): string[] {
  if (!URL.canParse(url)) return [];
  return new URL(url).pathname.split("/").filter((segment) => segment !== "").map(words);
}

/** Whether `name` contains the words of `wanted` in sequence. */
export function hasWords(name: string, wanted: string): boolean {
  return ` ${name} `.includes(` ${wanted} `);
}

// A shell gets a whole command line as one argument.
function unquoted(argument: string): string[] {
  const isLine = /\s/.test(argument) && !/^[/\\]|^[A-Za-z]:[\\/]/.test(argument);
  return isLine ? argument.split(/[\s"']|&&|;/).filter((word) => word !== "") : [argument];
}

function splitOption(word: string): [option: string, value: string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/** The name of a runner, without path, extension and version; undefined if `word` is not one. */
function runnerOf(word: string): string | undefined {
  if (word.startsWith("npm:") || word.startsWith("jsr:")) return undefined;
  if (/^@smithery[/\\]cli(@|$)/.test(word)) return "smithery";
  const plain = baseOf(word).toLowerCase().replace(/\.(exe|cmd|bat|ps1)$/, "").replace(/@.*/, "");
  const isRunner = RUNNERS.has(plain) || /^(python|php|node|ruby|pypy|java)[\d.]+$/.test(plain);
  return isRunner ? plain : undefined;
}

function namesOf(word: string): string[] {
  const bare = word
    .replace(/^(npm|jsr|git\+https?|git\+ssh|github|gitlab|nixpkgs|flake|docker|oci):(\/\/)?/, "")
    .replace(/[#?]/, " ")
    .replace(/\.git\b/, "");
  const segments = bare.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".");
  const path = segments.slice(segments.lastIndexOf("node_modules") + 1);
  const file = path.pop();
  if (file === undefined) return [];
  const names = [words(file), ...(path.length > 0 ? [words(`${path.at(-1)} ${file}`)] : [])];
  // The nearest folder that identifies the program: `playwright-mcp` of `playwright-mcp/dist/index.js`.
  while (path.length > 0 && GENERIC.has(path.at(-1)!.toLowerCase())) path.pop();
  const folder = path.pop();
  if (folder !== undefined) names.push(words(folder), words(`${folder} ${file}`));
  return names.filter((name) => name !== "");
}

/** `text` as words: without version, tag, digest, extras and extension, in lower case. */
function words(text: string): string {
  return withoutExtras(withoutVersion(text).split(/==|~=|>=|<=/, 1)[0]!)
    .replace(/:[\w.-]+$/, "")
    .replace(/\.(m?js|cjs|m?ts|py|pyz|php|rb|jar|exe|cmd|bat|ps1|sh|phar|dll)$/i, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]/)
    .filter((word) => word !== "")
    .join(" ");
}

// Without regular expressions, whose time would be quadratic here.
/** `text` without `@1.2.3` at the end; an `@` at the start belongs to a scope. */
function withoutVersion(text: string): string {
  const at = text.indexOf("@", Math.max(1, text.lastIndexOf(" ") + 1));
  return at === -1 ? text : text.slice(0, at);
}

/** `text` without `[extra,other]` at the end. */
function withoutExtras(text: string): string {
  if (!text.endsWith("]")) return text;
  const at = text.indexOf("[", text.lastIndexOf("]", text.length - 2) + 1);
  return at === -1 ? text : text.slice(0, at);
}

function baseOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
