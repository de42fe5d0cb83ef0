import { assertEquals } from "@std/assert";
import { behindCmd, readWrapper } from "../lib/process/wrappers/read_wrapper.ts";

const read = (line: string) => {
  const [command, ...args] = line.split(" ");
  return readWrapper(command!, args);
};

Deno.test("what follows the package is the program's own, and is never read as an option of the wrapper", () => {
  const cases: [line: string, args: string][] = [
    ["npx x", ""],
    ["npx -y x -y --package z -- q", "-y --package z -- q"],
    ["npx -y -- x -y", "-y"],
    ["/usr/bin/npx --yes @scope/x@latest -c a", "-c a"],
    ["npx -p x -p y bin a", "a"],
    ["npx --package=x bin a", "a"],
    ["npm exec -y x a -- -b", "a -b"],
    ["npm x -- x -b", "-b"],
    ["npm exec --yes --package=x -- bin -b -- -c", "-b -- -c"],
    ["uvx mcp-server-git --repository .", "--repository ."],
    ["uvx --from git+https://example.com/serena serena start --from x", "start --from x"],
    ["uv tool run --python 3.12 mcp-server-time -q", "-q"],
    ["pnpm dlx x -y", "-y"],
    ["pnpx --package @s/x bin --package y", "--package y"],
    ["C:\\tools\\uvx.exe x a", "a"],
  ];
  for (const [line, args] of cases) assertEquals(read(line)?.args.join(" "), args, line);
});

Deno.test("a wrapper is asked about the same package with the same options", () => {
  const cases: [line: string, question: string, program?: string][] = [
    ["npx -y --registry http://r x@1 --a", "-y --registry http://r x@1"],
    ["npx -p x -p y bin a", "-p x -p y bin"],
    ["npm exec -y x a", "exec -y x"],
    ["uvx x a", "--from x env -0", "x"],
    ["uvx mcp-server-git@latest a", "--from mcp-server-git@latest env -0", "mcp-server-git"],
    ["uvx x[cli]==1.2", "--from x[cli]==1.2 env -0", "x"],
    ["uvx -p 3.12 --with y --from z bin a", "-p 3.12 --with y --from z env -0", "bin"],
    ["pnpm dlx @s/x@1 a", "--package=@s/x@1 dlx env -0"],
    ["pnpm --silent dlx --package=x bin", "--silent dlx --package=x env -0", "bin"],
    ["pnpx -y x@latest", "--package=x@latest -y env -0"],
    ["uv tool run --from=z bin a", "tool run --from=z env -0", "bin"],
  ];
  for (const [line, question, program] of cases) {
    assertEquals([read(line)?.question.join(" "), read(line)?.program], [question, program], line);
  }
});

Deno.test("a wrapper in a form that is not understood completely runs as it is written", () => {
  const lines = [
    ..."node x|npm run x|npm install x|npx|npx -y|npx -p x|npx -c x|npx --call=x|npx -y -w z x|npx --unknown x|npx -y --"
      .split("|"),
    ..."npm exec|npm exec x --flag|npm exec -c x|uv run x|uv tool|uv tool install x|uvx|uvx --isolated x|uvx --refresh x"
      .split("|"),
    ..."uvx -n x|uvx --no-cache x|uvx --directory d x|uvx git+https://example.com/x|uvx ./dir|uvx python|uvx python3.12"
      .split("|"),
    ..."uvx --from python x|uvx run x|uvx x.py|uvx --from x ./bin|uvx --from a --from b x|pnpm x|pnpm exec x|pnpm dlx|pnpm dlx -c x|pnpm --package=y dlx x|pnpx ./d|bunx x|docker run x|sh -c npx|env npx x"
      .split("|"),
  ];
  for (const line of lines) assertEquals(read(line), undefined, line);
});

Deno.test("only an exact version, or a commit, always means the same files", () => {
  const fixed = [
    ..."npx x@1.2.3|npx @s/x@1.2.3-beta.1|npx -p x@1.0.0 -p @s/y@2.0.0 bin|uvx x@1.2|uvx x==1.2.0|uvx x[cli]==1.2rc1"
      .split("|"),
    `uvx --from git+https://example.com/x@${"a".repeat(40)} x`,
    "uvx --with y==1 x@2",
  ];
  const open = [
    ..."npx x|npx x@latest|npx x@1|npx x@1.2|npx x@^1.2.3|npx x@>=1.2.3|npx -p x@1.0.0 -p y bin|npx ./dir|npx g/h"
      .split("|"),
    ..."npx http://r/x@1.2.3|uvx x|uvx x@latest|uvx x>=1.2|uvx --with y x==1|uvx --from git+https://e.com/x@main x"
      .split("|"),
  ];
  for (const line of fixed) assertEquals(read(line)?.isFixed, true, line);
  for (const line of open) assertEquals(read(line)?.isFixed, false, line);
});

Deno.test("cmd /c is looked through where cmd would only start what follows", () => {
  const inner = (line: string) => {
    const [command, ...args] = line.split(" ");
    const found = behindCmd(command!, args);
    return found && [found.command, ...found.args].join(" ");
  };
  assertEquals(inner("cmd /c npx -y x a"), "npx -y x a");
  assertEquals(inner("C:\\Windows\\System32\\CMD.EXE /d /s /C npx x"), "npx x");
  for (
    const line of [
      "cmd",
      "cmd /c",
      "cmd npx x",
      "cmd /k npx x",
      "cmd /c npx x & y",
      "cmd /c npx %X%",
      "bash /c npx x",
    ]
  ) {
    assertEquals(inner(line), undefined, line);
  }
});
