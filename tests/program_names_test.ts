import { assertEquals, assertMatch } from "@std/assert";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { hasWords, namesOfUrl, programNames } from "../lib/upstream/sharing/program_names.ts";
import { decideShare } from "../lib/upstream/sharing/decide_share.ts";
import { knownServer } from "../lib/upstream/sharing/known_servers.ts";

/** What the program of each line is called, the words of a line parted by spaces; `'...'` is one argument. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  // The name is what stands first and is no runner, option or variable; what follows are its own arguments.
  "npx -y thing other": ["thing"],
  "npx --yes thing": ["thing"],
  "someProgramName": ["some program name"],
  "npx": [],
  "env A=1 B_2=x prog": ["prog"],
  "node https://h/x=1": ["x 1", "h x 1", "h", "h x 1"],
  "mise x node@20 -- npx -y thing": ["thing"],
  "cmd /c prog.cmd": ["prog"],
  "cmd /C prog": ["prog"],
  "npx /cc": ["cc"],
  "npx x/c": ["c", "x c", "x", "x c"],
  "npx thing-": ["thing"],
  // A shell gets a whole line, a path with a blank in it is none.
  "sh -c 'cd /x && A=1 prog-name q'": ["prog name"],
  "bash -lc 'npx -y ssh-mcp;echo'": ["ssh mcp"],
  "bash -lc 'npx  \"a-b\"'": ["a b"],
  "bash -lc 'go &&a-b'": ["a b"],
  "bash -lc ' go'": [],
  "node '/home/my user/prog name.js'": [
    "prog name",
    "my user prog name",
    "my user",
    "my user prog name",
  ],
  "'C:\\Program Files\\it\\prog.exe'": ["prog", "it prog", "it", "it prog"],
  "node '\\\\host\\my disk\\prog.js'": ["prog", "my disk prog", "my disk", "my disk prog"],
  "node 'a C:\\b'": ["a"],
  // Options of runners that name what is run, with `=` or without.
  "npx -p a b": ["a", "b"],
  "npx --package a": ["a"],
  "npx --package": [],
  "npx --package=a b": ["a", "b"],
  "npx -p=a b": ["b"],
  "npx -c a b": ["a", "b"],
  "npx --stdio a": ["a"],
  "uvx --from pack cmd-x": ["pack", "cmd x"],
  "uvx --from=git+https://github.com/o/repo.git#sub start-x": [
    "repo sub",
    "o repo sub",
    "o",
    "o repo sub",
    "start x",
  ],
  "uv --directory /opt/place run server.py": ["place", "opt place", "opt", "opt place", "server"],
  "uv --project /opt/proj run main.py": ["proj", "opt proj", "opt", "opt proj", "main"],
  "python -m mod_name arg": ["mod name"],
  "python3 -u prog.py": ["prog"],
  // Options that take a value which names nothing.
  "uvx --with extra prog": ["prog"],
  "uvx --with=extra prog": ["prog"],
  "npx --yes=extra prog": ["prog"],
  "node -r a b": ["b"],
  // What runs containers has options of its own.
  "docker run -i -e A=1 -v /a:/b --name box img/it:1.0 arg": ["it", "img it", "img", "img it"],
  "docker run -e KEY img": ["img"],
  "docker run --name=box --rm img": ["img"],
  "docker run --name=box img": ["img"],
  "docker.cmd run -w /x img": ["img"],
  "docker run -t img:22.04": ["img"],
  "docker run --init img@sha256:abc arg": ["img"],
  "docker run -m 1g img": ["img"],
  "docker.exe run -w /x img": ["img"],
  "C:\\bin\\Docker.EXE run -w /x img": ["img"],
  "docker.exes run -w /x img": ["docker exes"],
  "podman run -p 80:80 img": ["img"],
  "nerdctl run --env A img": ["img"],
  "docker-compose run -u me img": ["img"],
  "python -u KEY": ["key"],
  "npx -e KEY img": ["key"],
  // Runners, with version, extension and path.
  "python3.12 prog.py": ["prog"],
  "/usr/bin/python3 prog.py": ["prog"],
  "C:\\Py\\Python.exe prog.py": ["prog"],
  "npx.cmd prog": ["prog"],
  "start.bat prog": ["start"],
  "run.bat prog": ["prog"],
  "pwsh.ps1 prog": ["prog"],
  "npx.cmd.x prog": ["npx cmd x"],
  "php8.2 prog.php": ["prog"],
  "ruby3 prog.rb": ["prog"],
  "pypy3.9 prog": ["prog"],
  "java17 prog": ["prog"],
  "node20 prog": ["prog"],
  "python3x prog": ["python3x"],
  "mypython3 prog": ["mypython3"],
  "pythonic prog": ["pythonic"],
  "npx tsx@4.1.0 prog.ts": ["prog"],
  "npx a@/npx prog": ["prog"],
  "npx x@1/node@2 prog": ["prog"],
  "deno run -A npm:@o/pkg@1": ["pkg", "o pkg", "o", "o pkg"],
  "deno run npm:node x": ["node"],
  "deno run jsr:node x": ["node"],
  "deno run npm:@o/tool@1 x": ["tool", "o tool", "o", "o tool"],
  "deno run jsr:@o/tool@1 x": ["tool", "o tool", "o", "o tool"],
  "deno run jsr:@o/pkg": ["pkg", "o pkg", "o", "o pkg"],
  "npx -y @smithery/cli run prog": ["prog"],
  "npx @smithery/cli@latest run prog": ["prog"],
  "npx @smithery\\cli run prog": ["prog"],
  "npx @smithery/client prog": ["client", "smithery client", "smithery", "smithery client"],
  "npx x@smithery/cli prog": ["cli", "x smithery cli", "x", "x smithery cli"],
  // A program that leads to a URL is named by that too.
  "npx mcp-remote https://h.example/one/two?x=1": ["mcp remote", "one", "two"],
  "npx mcp-remote http://h/a": ["mcp remote", "a"],
  "npx mcp-remote file:///a/b": ["mcp remote"],
  "npx mcp-remote nohttps://h/a": ["mcp remote"],
  "npx mcp-remote https:": ["mcp remote"],
  "npx mcp-remote": ["mcp remote"],
  // Version, extras, extension, scope and place are no part of the name.
  "npx -y @scope/pkg@1.2.3": ["pkg", "scope pkg", "scope", "scope pkg"],
  "npx @only": ["only"],
  "npx thing[extra,other]": ["thing"],
  "npx thing]": ["thing"],
  "npx ]thing": ["thing"],
  "npx a[b]c": ["a b c"],
  "npx a[b": ["a b"],
  "npx x1@/b": ["b", "x1 b", "x1", "x1 b"],
  "npx prog;one": ["prog one"],
  "npx a[b][c]": ["a b"],
  "npx a][c]": ["a"],
  "uvx prog[cli]==1.2": ["prog"],
  "uvx prog~=1": ["prog"],
  "uvx prog>=1": ["prog"],
  "uvx prog<=1": ["prog"],
  "npx github:owner/repo": ["repo", "owner repo", "owner", "owner repo"],
  "npx gitlab:owner/repo": ["repo", "owner repo", "owner", "owner repo"],
  "npx git+ssh://owner/repo": ["repo", "owner repo", "owner", "owner repo"],
  "npx git+http://repo": ["repo"],
  "npx oci:one": ["one"],
  "npx my-npm:one": ["my npm"],
  "npx prog:x:y": ["prog x"],
  "npx prog:x:y/z": ["z", "prog x y z", "prog x", "prog x y z"],
  "npx prog:latest!": ["prog latest"],
  "npx repo?x#y": ["repo x y"],
  "npx prog.git": ["prog"],
  "npx prog.gitx": ["prog gitx"],
  "npx prog.js.bak": ["prog js bak"],
  "npx prog.mjs": ["prog"],
  "npx prog.mts": ["prog"],
  "npx prog.PHAR": ["prog"],
  "npx fooBar9Baz": ["foo bar9 baz"],
  "npx a--b__c": ["a b c"],
  "npx ---": [],
  "npx ''": [],
  "npx '!'": [],
  // The nearest folder that says something.
  "node playwright-mcp/dist/index.js": ["index", "dist index", "playwright mcp", "playwright mcp index"],
  "node one/two/SRC/Build/main.mjs": ["main", "build main", "two", "two main"],
  "node dist/index.js": ["index", "dist index"],
  "node ./": [],
  "node ./prog.js": ["prog"],
  "node /a1//prog.js": ["prog", "a1 prog", "a1", "a1 prog"],
  "node A1\\prog": ["prog", "a1 prog", "a1", "a1 prog"],
  "node /opt/node_modules/@o/it/cli.js": ["cli", "it cli", "it", "it cli"],
  "node /x/node_modules/y/node_modules/z/cli.js": ["cli", "z cli", "z", "z cli"],
  "node /x/node_modules/cli.js": ["cli"],
  "node /x/dist/!/prog.js": ["prog", "prog", "prog"],
};

function wordsOf(line: string): [string, ...string[]] {
  return line.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", "")) as [string, ...string[]];
}

Deno.test("a program is known by its name, however it is started", () => {
  for (const [line, names] of Object.entries(LINES)) {
    const [command, ...args] = wordsOf(line);
    assertEquals(programNames(command, args), names, line);
  }
});

Deno.test("what starts a program is no name of it, and its options name nothing", () => {
  const runners =
    "npx npm pnpm pnpx yarn bunx bun uvx uv pipx pip python python3 py node nodejs deno tsx ts-node " +
    "php ruby perl java go cargo dotnet nix docker podman nerdctl docker-compose cmd sh bash zsh dash env wsl mise " +
    "npm-run sudo nice nohup timeout dotenv dotenvx doppler op direnv cross-env supergateway mcp-proxy smithery pwsh " +
    "powershell xvfb-run exec run x dlx tool create compose";
  for (const runner of runners.split(" ")) assertEquals(programNames(runner, ["prog"]), ["prog"], runner);
  const options =
    "--env-file --with --with-editable --python --index --index-url --extra-index-url --registry " +
    "--prefix --cache --key --profile --config --client --import --require -r --loader --tsconfig --unset";
  for (const option of options.split(" ")) {
    assertEquals(programNames("npx", [option, "value", "prog"]), ["prog"], option);
  }
  const ofContainers =
    "-e --env --env-file -v --volume --mount --name --network --net -w --workdir -u --user " +
    "--platform --entrypoint -l --label -m --memory --cpus --add-host --dns --ipc --pid --gpus --hostname -h -p " +
    "--publish --tmpfs --cap-add --cap-drop --security-opt --restart --ulimit --shm-size --device " +
    "--pull --log-driver --log-opt --group-add --ip --link --mac-address --memory-swap --runtime --stop-signal " +
    "--stop-timeout --sysctl --userns --uts --volumes-from --cidfile --cgroupns --annotation --cpu-shares -c " +
    "--cpuset-cpus --dns-search --expose --health-cmd --label-file --network-alias";
  for (const option of ofContainers.split(" ")) {
    assertEquals(programNames("docker", ["run", option, "value", "prog"]), ["prog"], option);
  }
  for (const option of ["-p", "--package", "--from", "--directory", "--project", "--stdio", "-c"]) {
    assertEquals(programNames("npx", [option, "one", "prog"]), ["one", "prog"], option);
  }
});

Deno.test("of a line of a shell the program counts, not what is done before it", () => {
  const lines = {
    "cd /home/me/shell && ./server": ["server"],
    "source .env; export A=b && exec node prog.js": ["prog"],
    ". ./terminal.sh && set -e; npx -y prog": ["prog"],
  };
  for (const [line, names] of Object.entries(lines)) {
    assertEquals(programNames("sh", ["-c", line]), names, line);
  }
});

Deno.test("a folder that says nothing of what lies in it is no name", () => {
  const folders =
    "dist build out lib libs src source bin target release debug app apps server servers mcp cli main " +
    "index start run stdio bundle cjs esm __main__ package packages mod launch entry program js ts launcher wrapper " +
    "scripts script tools";
  for (const folder of folders.split(" ")) {
    const names = programNames("node", [`/opt/special/${folder}/prog.js`]);
    assertEquals(names.slice(-2), ["special", "special prog"], folder);
  }
});

Deno.test("the path of a URL names its server, word by word", () => {
  assertEquals(namesOfUrl("https://h/a//b/@o/x"), ["a", "b", "o", "x"]);
  assertEquals(namesOfUrl("https://h/FooBar/mcp.js"), ["foo bar", "mcp"]);
  assertEquals([namesOfUrl("https://h/"), namesOfUrl("nothing")], [[], []]);
  assertEquals([hasWords("my chrome tool", "chrome tool"), hasWords("chromed tool", "chrome")], [
    true,
    false,
  ]);
});

/** What is known, by one word or more of the name. */
const KNOWN = {
  session:
    "sequential-thinking sequentialthinking clear-thought clearthought think-tool playwright puppeteer " +
    "selenium webdriver chrome chromium devtools browser browsers browseruse browserbase browserless stagehand " +
    "hyperbrowser computer-use ssh telnet shell shells bash-x zsh-x powershell-x terminal terminals iterm tmux pty " +
    "desktop-commander desktopcommander wcgw repl jupyter ipython notebook notebooks e2b sandbox code-interpreter " +
    "code-runner run-python debug debugger gdb lldb dap pdb delve x64dbg ghidra ida-pro serena lsp language-server " +
    "kubernetes kubectl k8s mongodb mongo trello cyanheads-git ref-tools repomix emulator appium mcp-remote",
  machine: "server-memory mcp-memory @modelcontextprotocol/server-memory",
};

for (const [share, names] of Object.entries(KNOWN)) {
  Deno.test(`${share}: servers that are known are shared so, and it is said why`, () => {
    for (const name of names.split(" ")) {
      const config = {
        kind: "stdio",
        share: "auto",
        command: "npx",
        args: ["-y", name],
        env: {},
      } as never as ServerConfig;
      const decision = decideShare(config);
      assertEquals([decision.scope, decision.canIsolate], [share, false], name);
      assertMatch(decision.why, /^(it|two processes of it) \w+ .*\w+ \w+/, name);
    }
  });
}

Deno.test("only a name that has no other words is the server of one memory file", () => {
  const forks = [
    "@other/server-memory",
    "@other/mcp-memory",
    "github:other/server-memory",
    "file:../server-memory",
  ];
  for (const name of ["my-server-memory", "mcp-memory-keeper", "memory", ...forks]) {
    const config = { kind: "stdio", command: "npx", args: ["-y", name] } as never as ServerConfig;
    assertEquals(knownServer(config), undefined, name);
  }
});
