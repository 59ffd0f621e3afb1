// torte build: a recipe becomes an image.
#include "cli/attestation.h"
#include "cli/build.h"
#include "cli/build_mounts.h"
#include "cli/commands/commands.h"
#include "cli/packing.h"
#include "cli/registries.h"
#include "cli/step_sandbox.h"

namespace cli {

namespace {

Flag in_group(Flag flag, std::string_view group) {
  flag.group = group;
  return flag;
}

std::vector<Flag> with_shared_flags(std::vector<Flag> flags) {
  for (const std::vector<Flag>& more : {step_sandbox_flags(), build_mount_flags(), attest_flags()})
    flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

}  // namespace

const Command& build_command() {
  static const Command kCommand{
      .name = "build",
      .aliases = {"bud", "b", "image build"},
      .summary = "build an image from a recipe",
      .usage = "[FLAGS] [CONTEXT]",
      .about = "Reads a recipe (a Dockerfile by any name), runs its steps on top of what is remembered "
               "of earlier builds, and names the result. CONTEXT is the directory that COPY takes "
               "files from (default: the current one), an http(s) address of a recipe or of an archive, a "
               "git address (https://host/project.git#ref:directory), or - for a recipe or an archive on "
               "standard input.",
      .group = "build and run",
      .flags = with_registry_flags(with_shared_flags(
           {{.name = "file", .letter = 'f', .value = "PATH|URL|-", .help = "the recipe; - reads standard input (default: Recipe, Dockerfile, Containerfile, dockerfile); more of them are appended", .repeatable = true, .common = true},
           {.name = "tag", .letter = 't', .value = "NAME", .help = "name of the result", .repeatable = true, .common = true},
           {.name = "target", .value = "STAGE", .help = "stage to build (default: the last); given several times, each with its own --tag in the same order", .repeatable = true, .common = true},
           {.name = "build-arg", .value = "NAME[=VALUE]", .help = "value of an ARG; without =VALUE from the environment", .repeatable = true, .common = true},
           {.name = "build-arg-file", .value = "FILE", .help = "values of ARGs, one NAME=VALUE a line; --build-arg wins", .repeatable = true},
           {.name = "build-context", .value = "NAME=VALUE", .help = "another context for FROM, COPY --from and mounts: a directory, docker-image://NAME, oci-layout://DIR, a git or http address", .repeatable = true},
           {.name = "ignorefile", .value = "FILE", .help = "use this ignore file and no other"},
           {.name = "context-mode", .value = "MODE", .help = "modes of the context's files: exact (as they are, default) or git (0755 or 0644, whatever the umask was)", .choices = {"exact", "git"}},
           {.name = "label", .value = "KEY=VALUE", .help = "label of the result", .repeatable = true},
           {.name = "platform", .value = "OS/ARCH[,..]", .help = "platform of the result (default: this machine's); several are built one after the other", .repeatable = true, .common = true},
           {.name = "network", .value = "MODE", .help = "network of RUN steps that do not say: default (a private one), none, host, private:NAME (a network with a name), pasta[:ARG,..], slirp4netns[:ARG,..] or ns:PATH", .aliases = {"net"}},
           {.name = "allow", .value = "WHAT", .help = "network.host, security.insecure or device[=PATH] for steps that ask for it; local.delete for outputs", .repeatable = true},
           {.name = "add-host", .value = "NAME:ADDRESS", .help = "a line of /etc/hosts in RUN steps", .repeatable = true},
           {.name = "dns", .value = "ADDRESS", .help = "name server of RUN steps instead of the host's", .repeatable = true},
           {.name = "dns-search", .value = "DOMAIN", .help = "search domain of RUN steps instead of the host's", .repeatable = true},
           {.name = "dns-option", .value = "OPTION", .help = "option of /etc/resolv.conf in RUN steps", .aliases = {"dns-opt"}, .repeatable = true},
           {.name = "hostname", .value = "NAME", .help = "host name in RUN steps (default: build)"},
           {.name = "runtime", .value = "PROGRAM", .help = "another OCI runtime starts RUN steps: crun, runc, or a path (default: torte itself)", .group = "RUN steps"},
           {.name = "heredoc-errexit", .help = "RUN <<END stops at the first command that fails, as if it began with set -e"},
           {.name = "strict-syntax", .help = "refuse recipes whose # syntax= names another language than docker/dockerfile"},
           {.name = "secret", .value = "id=ID[,src=FILE|env=VAR]", .help = "bytes for RUN --mount=type=secret", .repeatable = true},
           {.name = "ssh", .value = "default|ID[=SOCKET|KEY,..]", .help = "SSH agent or keys for RUN --mount=type=ssh and git", .repeatable = true},
           {.name = "pull", .value = "WHEN", .help = "fetch base images: always, missing, newer or never", .implied = "always", .choices = {"always", "missing", "newer", "never", "true", "false"}},
           {.name = "timeout", .value = "DURATION", .help = "stop the build when it takes longer", .group = "RUN steps"},
           {.name = "step-timeout", .value = "DURATION", .help = "stop a RUN step when it takes longer, and fail", .group = "RUN steps"},
           {.name = "jobs", .letter = 'j', .value = "N", .help = "steps that may run at once (default: 4 a core, at least 8)"},
           {.name = "no-cache", .help = "run every step again", .group = "cache", .common = true},
           {.name = "no-cache-filter", .value = "STAGE,..", .help = "run the steps of these stages again", .group = "cache", .repeatable = true},
           {.name = "cache-ttl", .value = "DURATION", .help = "run steps again whose results are older than this", .group = "cache"},
           {.name = "layers", .help = "remember what the steps made for later builds (default: on; --layers=false)", .group = "cache", .negatable = true},
           {.name = "explain", .help = "say for each step that ran which input changed", .group = "cache", .common = true},
           {.name = "debug-on-error", .value = "SHELL", .help = "when a RUN fails, open a shell in it as it left things, then retry, continue or abort", .implied = "/bin/sh", .group = "when a step fails", .common = true},
           {.name = "keep-failed", .help = "keep what a failing RUN left as an image, named in the error", .group = "when a step fails"},
           {.name = "check", .help = "only check the recipe: status 1 when there are warnings", .group = "ask", .common = true},
           {.name = "call", .value = "WHAT[,format=json]", .help = "answer instead of building: check, outline (arguments and secrets), targets, ast or plan (the steps)", .group = "ask"},
           {.name = "output", .letter = 'o', .value = "DIR|-|type=TYPE[,dest=PATH]", .help = "where the result goes: type store (default), registry, oci, oci-dir, docker, local, tar or cacheonly; a directory alone gets the files", .group = "output", .repeatable = true, .common = true},
           {.name = "push", .help = "send the image to the registries its names say", .group = "output"},
           {.name = "load", .help = "keep the image in the store beside other outputs", .group = "output"},
           {.name = "squash", .value = "WHAT", .help = "merge layers into one: new (those of this build) or all", .implied = "new", .group = "output", .choices = {"new", "all"}},
           {.name = "format", .value = "FORMAT", .help = "types of manifest and configuration: oci or docker (default: oci)", .group = "output", .choices = {"oci", "docker"}},
           {.name = "compression", .value = "HOW", .help = "how new layers are packed when they leave: gzip, zstd or none", .group = "output", .choices = {"gzip", "zstd", "none"}},
           in_group(compression_level_flag(), "output"),
           {.name = "force-compression", .help = "pack the base image's layers again too", .group = "output"},
           {.name = "annotation", .value = "[SCOPE:]KEY=VALUE", .help = "annotation of the manifest; scopes: manifest, index, manifest-descriptor, index-descriptor, each with [PLATFORM]", .group = "output", .repeatable = true},
           {.name = "env", .value = "NAME[=VALUE]", .help = "variable of the result, not of its steps", .group = "output", .repeatable = true},
           {.name = "unsetenv", .value = "NAME", .help = "leave this variable out of the result", .group = "output", .repeatable = true},
           {.name = "unsetlabel", .value = "KEY", .help = "leave this label out of the result", .group = "output", .repeatable = true},
           {.name = "unsetannotation", .value = "KEY", .help = "leave this annotation out of the result", .group = "output", .repeatable = true},
           {.name = "source-date-epoch", .value = "SECONDS|context|git", .help = "date of the result: a number, that of a remote context, or of the last commit", .group = "reproducible builds"},
           {.name = "rewrite-timestamp", .help = "no file of a new layer is younger than that date", .group = "reproducible builds"},
           {.name = "timestamp", .value = "SECONDS", .help = "--source-date-epoch SECONDS --rewrite-timestamp", .group = "reproducible builds"},
           {.name = "reproducible", .help = "the same inputs give the same image anywhere: dates of the last commit (or 1970), rewritten", .group = "reproducible builds", .common = true},
           {.name = "policy", .value = "FILE", .help = "rules of FILE (JSON) allow, deny or replace what the build takes from outside: images, git, http, local files", .group = "reproducible builds", .aliases = {"source-policy-file"}, .repeatable = true},
           {.name = "lock", .value = "FILE", .help = "use the base images, downloads and commits that FILE names, and write those used", .group = "reproducible builds"},
           {.name = "locked", .help = "fail where something is not as the --lock file says", .group = "reproducible builds"},
           {.name = "cache-from", .value = "type=TYPE,..", .help = "look for results of steps: registry,ref=NAME or local,src=DIR", .group = "cache", .repeatable = true},
           {.name = "cache-to", .value = "type=TYPE,..[,mode=max]", .help = "put results of steps there, of failed builds too: registry,ref=NAME or local,dest=DIR; or name them in the image: inline; with ignore-error=true, go on where that fails", .group = "cache", .repeatable = true},
           {.name = "iidfile", .value = "FILE", .help = "write the image id to FILE", .group = "output"},
           {.name = "metadata-file", .value = "FILE", .help = "write facts about the result to FILE (JSON)", .group = "output"},
           {.name = "progress", .value = "MODE", .help = "how progress is shown: auto, tty, plain, json or quiet", .group = "output", .common = true}})),
      .examples = {{"torte build -t app .", "build ./Recipe and name it app:latest"},
                   {"torte build -f web.Dockerfile --build-arg V=2 --explain .", "say why steps ran again"},
                   {"torte build -o type=tar,dest=root.tar .", "the files of the result, no image"},
                {"torte build --target test --no-cache .", "run one stage and what it needs"},
                {"torte build --target web -t web --target api -t api .", "two images of one recipe"}},
      .positionals = {0, 1},
      .run = run_build,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
