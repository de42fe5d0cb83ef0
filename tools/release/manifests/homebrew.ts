import { PROJECT } from "../project.ts";
import { type Artifact, type Manifest, type ManifestData, urlOf } from "./data.ts";

const CPUS = { x64: "intel", arm64: "arm" } as const;

/** The formula for a tap. */
export function homebrew(data: ManifestData): Manifest[] {
  const systems = [["darwin", "macos"], ["linux", "linux"]] as const;
  const blocks = systems.flatMap(([os, name]) => {
    const artifacts = data.artifacts.filter(({ target }) => target.os === os);
    return artifacts.length === 0 ? [] : [block(`on_${name}`, artifacts.map((one) => cpu(data, one)))];
  });
  if (blocks.length === 0) return [];
  const text = `# Made by the release of ${PROJECT.name}; change the data in tools/release/ instead.
class Exai < Formula
  desc ${quote(PROJECT.summary.replace(/^One d/, "D"))}
  homepage ${quote(data.repository)}
  version ${quote(PROJECT.version)}
  license ${quote(PROJECT.licence)}

${blocks.join("\n\n")}

  def install
    bin.install ${PROJECT.programs.map(({ name }) => quote(name)).join(", ")}
    doc.install "README.md", "CHANGELOG.md", "THIRD-PARTY-LICENSES.txt", Dir["docs/*"]
  end

  def caveats
    <<~EOS
      Take over the MCP servers of your clients:
        exai-daemon adopt
      Give them back before you uninstall:
        exai-daemon adopt --undo
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/exai-daemon --version")
    assert_match version.to_s, shell_output("#{bin}/exai-shim --version")
  end
end
`;
  return [{ path: `homebrew/${PROJECT.homebrew}.rb`, text }];
}

function cpu(data: ManifestData, artifact: Artifact): string {
  return block(`on_${CPUS[artifact.target.cpu]}`, [
    `url ${quote(urlOf(data, artifact))}`,
    `sha256 ${quote(artifact.sha256)}`,
  ]).replace(/^ {2}/gm, "");
}

/** A block at the depth of a formula. */
function block(head: string, lines: readonly string[]): string {
  const body = lines.join("\n").replace(/^/gm, "    ");
  return `  ${head} do\n${body}\n  end`;
}

function quote(text: string): string {
  return JSON.stringify(text).replaceAll("#", "\\#");
}
