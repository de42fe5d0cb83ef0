import type { SourceStamp } from "../compile/stamp.ts";
import type { BundledPackage } from "./bundled_packages.ts";
import { PROJECT } from "./project.ts";

/** What an SBOM is made of. */
export interface SbomSource {
  packages: readonly BundledPackage[];
  /** The version of Deno the programs were compiled with. */
  deno: string;
  built: SourceStamp | undefined;
  repository: string | undefined;
}

/** The bill of materials of both programs, as CycloneDX 1.6. The same source gives the same text. */
export function sbom({ packages, deno, built, repository }: SbomSource): string {
  const runtime = `pkg:github/denoland/deno@v${deno}`;
  const program = `pkg:generic/exai@${PROJECT.version}`;
  const refs = new Map(packages.map((one) => [one.name, purlOf(one)]));
  return JSON.stringify(
    {
      $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      version: 1,
      metadata: {
        ...(built && { timestamp: built.committedAt }),
        component: {
          type: "application",
          "bom-ref": program,
          name: "exai",
          version: PROJECT.version,
          description: PROJECT.summary,
          purl: program,
          licenses: [{ license: { id: PROJECT.licence } }],
          ...(repository && { externalReferences: [{ type: "vcs", url: repository }] }),
          ...(built && { properties: [{ name: "exai:commit", value: built.commit }] }),
        },
      },
      components: [
        {
          type: "framework",
          "bom-ref": runtime,
          name: "deno",
          version: deno,
          purl: runtime,
          licenses: [{ license: { id: "MIT" } }],
        },
        ...packages.map(component),
      ],
      dependencies: [
        { ref: program, dependsOn: [runtime, ...refs.values()] },
        { ref: runtime },
        ...packages.map((one) => ({
          ref: purlOf(one),
          dependsOn: [...new Set(one.dependencies.flatMap((name) => refs.get(name) ?? []))],
        })),
      ],
    },
    null,
    2,
  ) + "\n";
}

function component(one: BundledPackage) {
  return {
    type: "library",
    "bom-ref": purlOf(one),
    name: one.name,
    version: one.version,
    purl: purlOf(one),
    ...(one.licence && { licenses: [licence(one.licence)] }),
    ...(one.integrity?.startsWith("sha512-") && {
      hashes: [{
        alg: "SHA-512",
        content: Uint8Array.fromBase64(one.integrity.slice("sha512-".length)).toHex(),
      }],
    }),
  };
}

/** An identifier of SPDX, or an expression of several. */
function licence(text: string) {
  return /^[\w.+-]+$/.test(text) ? { license: { id: text } } : { expression: text };
}

/** The address of a package: the `@` of a scope is escaped. */
function purlOf({ name, version }: BundledPackage): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}
