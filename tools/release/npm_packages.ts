import type { ArchivedFile } from "./archive.ts";
import { programFiles, PROJECT, type ReleaseTarget } from "./project.ts";

/** A package for npm: the files of its archive. */
export interface NpmPackage {
  name: string;
  files: ArchivedFile[];
}

/** The programs of one system. */
export interface SystemPrograms {
  target: ReleaseTarget;
  programs: readonly ArchivedFile[];
}

/** What goes into the packages beside the programs. */
export interface NpmTexts {
  /** install/npm/launch.cjs */
  launcher: string;
  licence: string;
  thirdParty: string;
  repository: string | undefined;
}

const encoder = new TextEncoder();
const text = (path: string, content: string): ArchivedFile => ({ path, content: encoder.encode(content) });

/**
 * The packages for npm: one with the commands (`npx exai-shim`), and one for each system with the programs, of which npm
 * installs the one that fits. That needs no script at installation.
 */
export function npmPackages(systems: readonly SystemPrograms[], texts: NpmTexts): NpmPackage[] {
  return [
    commandsPackage(systems.map(({ target }) => target), texts),
    ...systems.map((one) => systemPackage(one, texts)),
  ];
}

function packageName({ os, cpu }: ReleaseTarget): string {
  return `${PROJECT.npm}-${os}-${cpu}`;
}

function describe(name: string, texts: NpmTexts) {
  return {
    name,
    version: PROJECT.version,
    description: PROJECT.summary,
    license: PROJECT.licence,
    author: PROJECT.publisher,
    keywords: PROJECT.tags,
    ...(texts.repository && { repository: { type: "git", url: `git+${texts.repository}.git` } }),
  };
}

function commandsPackage(targets: readonly ReleaseTarget[], texts: NpmTexts): NpmPackage {
  const names = PROJECT.programs.map(({ name }) => name);
  const manifest = {
    ...describe(PROJECT.npm, texts),
    bin: Object.fromEntries(names.map((name) => [name, `bin/${name}.cjs`])),
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(targets.map((target) => [packageName(target), PROJECT.version])),
  };
  const table = Object.fromEntries(
    targets.map((target) => [`${target.os}-${target.cpu}`, packageName(target)]),
  );
  const launcher = texts.launcher.replace(
    /^const PACKAGES = .*$/m,
    `const PACKAGES = ${JSON.stringify(table)};`,
  );
  return {
    name: PROJECT.npm,
    files: [
      text("package.json", JSON.stringify(manifest, null, 2) + "\n"),
      text("README.md", readme()),
      text("LICENSE", texts.licence),
      text("launch.cjs", launcher),
      ...names.map((name) => ({
        ...text(`bin/${name}.cjs`, `#!/usr/bin/env node\nrequire("../launch.cjs")("${name}");\n`),
        isProgram: true,
      })),
    ],
  };
}

function systemPackage({ target, programs }: SystemPrograms, texts: NpmTexts): NpmPackage {
  const name = packageName(target);
  const manifest = {
    ...describe(name, texts),
    os: [target.os],
    cpu: [target.cpu],
    ...(target.os === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true,
  };
  const wanted = programFiles(target);
  return {
    name,
    files: [
      text("package.json", JSON.stringify(manifest, null, 2) + "\n"),
      text(
        "README.md",
        `# ${name}\n\nThe programs of [${PROJECT.npm}](https://www.npmjs.com/package/${PROJECT.npm}) for one system.\n`,
      ),
      text("LICENSE", texts.licence),
      text("THIRD-PARTY-LICENSES.txt", texts.thirdParty),
      ...programs.filter(({ path }) => wanted.includes(path)).map((file) => ({
        ...file,
        path: `bin/${file.path}`,
      })),
    ],
  };
}

function readme(): string {
  return `# ${PROJECT.npm}

${PROJECT.description}

As the command of an MCP server in a client's configuration:

\`\`\`json
{ "mcpServers": { "exai": { "command": "npx", "args": ["-y", "${PROJECT.npm}"] } } }
\`\`\`

Installed with \`npm install --global ${PROJECT.npm}\`, both commands are there: \`exai-shim\` and \`exai-daemon\`;
\`exai-daemon adopt\` takes over the MCP servers that your clients have.
`;
}
