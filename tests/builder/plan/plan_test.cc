#include "builder/plan/plan.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/validate.h"

namespace {

using plan::CopyStep;
using plan::FromStage;
using plan::RunStep;

class FakeImages : public plan::BaseImages {
 public:
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override {
    asked.push_back(reference);
    if (reference.find("missing") != std::string::npos)
      throw base::Error(base::Code::kNotFound, "image " + reference + " is not there");
    plan::BaseImage image;
    image.reference = reference;
    image.identity = "sha256:" + std::string(64, 'a');
    image.config.platform = platform;
    image.config.config = config;
    return image;
  }
  oci::ContainerConfig config;
  std::vector<std::string> asked;
};

class PlanTest : public ::testing::Test {
 protected:
  plan::Plan make(const std::string& text) {
    recipe = dockerfile::parse_and_validate(text, "Recipe");
    return plan::make_plan(recipe, options, images);
  }
  std::string error_of(const std::string& text) {
    try {
      make(text);
    } catch (const base::Error& e) {
      return e.id();
    }
    return "";
  }
  static const RunStep& run_of(const plan::Plan& plan, size_t step = 0) {
    return std::get<RunStep>(plan.stages[plan.target].steps[step].action);
  }
  static const CopyStep& copy_of(const plan::Plan& plan, size_t step = 0) {
    return std::get<CopyStep>(plan.stages[plan.target].steps[step].action);
  }
  static const oci::ContainerConfig& config_of(const plan::Plan& plan) {
    return plan.stages[plan.target].config.config;
  }
  static bool has(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  }

  plan::Options options;
  FakeImages images;
  dockerfile::Recipe recipe;
};

TEST_F(PlanTest, S5OnlyWhatTheTargetNeedsIsPlannedAndAskedFor) {
  plan::Plan plan = make(
      "FROM missing AS unused\nRUN x\nFROM base AS a\nRUN one\nFROM scratch\nCOPY --from=a /x "
      "/y\n");
  EXPECT_EQ(images.asked, std::vector<std::string>{"docker.io/library/base:latest"});
  EXPECT_EQ(plan.order, (std::vector<size_t>{1, 2}));
  EXPECT_FALSE(plan.stages[0].needed);
  EXPECT_EQ(plan.steps, 4);
}

TEST_F(PlanTest, S5WrongValuesMatterOnlyToAStageThatIsBuiltAndComeTogether) {
  const std::string wrong =
      "FROM base AS a\nEXPOSE 99999\nRUN --mount=type=foo x\nCOPY --chmod=9 a b\n";
  EXPECT_EQ(make(wrong + "FROM base\n").target, 1u);
  images.asked.clear();
  try {
    make(wrong + "FROM a\nSTOPSIGNAL SIGX\n");
    FAIL();
  } catch (const dockerfile::RecipeError& e) {
    EXPECT_EQ(e.diagnostics().size(), 4u);  // those of other stages are told at the same time
  }
  EXPECT_TRUE(images.asked.empty());
}

TEST_F(PlanTest, S3ScratchIsForTheTargetPlatform) {
  options.platform = oci::Platform::parse("linux/amd64");
  plan::Plan plan = make("FROM --platform=linux/arm64 scratch\nUSER a\n");
  EXPECT_EQ(plan.stages[0].config.platform.str(), "linux/amd64");
}

TEST_F(PlanTest, A3A4TheLastWriterWinsInTheBuildAndOnlyEnvReachesTheImage) {
  plan::Plan plan = make("FROM base\nENV X=1\nARG X=2\nRUN x\n");
  EXPECT_TRUE(has(run_of(plan).env, "X=2"));
  EXPECT_TRUE(has(config_of(plan).env, "X=1"));
  plan = make("FROM base\nARG a=1 b=$a\nRUN x\n");
  EXPECT_TRUE(has(run_of(plan).env, "b=1"));
}

TEST_F(PlanTest, V2ValuesSeeTheEnvironmentBeforeTheInstruction) {
  plan::Plan plan = make("FROM base\nENV a=1\nENV a=2 b=$a\n");
  EXPECT_TRUE(has(config_of(plan).env, "b=1"));
}

TEST_F(PlanTest, A1GlobalArgumentsReachAStageOnlyWhenDeclared) {
  options.build_args["V"] = "given";
  plan::Plan plan = make("ARG V=default\nFROM base:$V\nRUN a\nARG V\nRUN b\n");
  EXPECT_EQ(images.asked.back(), "docker.io/library/base:given");
  EXPECT_FALSE(has(run_of(plan, 0).env, "V=given"));
  EXPECT_TRUE(has(run_of(plan, 1).env, "V=given"));
}

TEST_F(PlanTest, A6ProxiesAreGivenButNotPartOfTheEnvironmentThatIsKeyed) {
  options.build_args["http_proxy"] = "p";
  plan::Plan plan = make("FROM base\nRUN a\n");
  EXPECT_TRUE(has(run_of(plan).unkeyed_env, "HTTP_PROXY=p"));
  EXPECT_TRUE(has(run_of(plan).unkeyed_env, "http_proxy=p"));
  EXPECT_FALSE(has(run_of(plan).env, "http_proxy=p"));
}

TEST_F(PlanTest, A9PathIsAlwaysThere) {
  plan::Plan plan = make("FROM scratch\nENV a=b\n");
  EXPECT_EQ(config_of(plan).env[0].substr(0, 5), "PATH=");
}

TEST_F(PlanTest, IEntrypointClearsAnInheritedCmdOnly) {
  images.config.cmd = {"inherited"};
  EXPECT_TRUE(config_of(make("FROM base\nENTRYPOINT [\"e\"]\n")).cmd.empty());
  EXPECT_EQ(config_of(make("FROM base\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n")).cmd,
            std::vector<std::string>{"c"});
}

TEST_F(PlanTest, S8TriggersRunOnceInTheChild) {
  images.config.on_build = {"RUN triggered"};
  plan::Plan plan = make("FROM base\nRUN own\n");
  EXPECT_EQ(run_of(plan, 0).argv.back(), "triggered");
  EXPECT_EQ(run_of(plan, 1).argv.back(), "own");
  EXPECT_TRUE(config_of(plan).on_build.empty());
}

TEST_F(PlanTest, C75ADestinationKeepsItsTrailingSlash) {
  EXPECT_EQ(copy_of(make("FROM base\nWORKDIR /w\nCOPY a b/\n"), 1).destination, "/w/b/");
  EXPECT_EQ(copy_of(make("FROM base\nWORKDIR /w\nCOPY a .\n"), 1).destination, "/w/");
  EXPECT_EQ(copy_of(make("FROM base\nCOPY a /x\n")).destination, "/x");
  EXPECT_TRUE(copy_of(make("FROM base\nCOPY a b /x\n")).needs_directory);
  EXPECT_TRUE(copy_of(make("FROM base\nCOPY <<A <<B /x\nA\nB\n")).needs_directory);
  EXPECT_FALSE(copy_of(make("FROM base\nCOPY a b /x/\n")).needs_directory);
  EXPECT_FALSE(copy_of(make("FROM base\nCOPY a b* /x\n")).needs_directory);  // b* may be nothing
}

TEST_F(PlanTest, R2AHeredocIsTheCommandOrAScript) {
  plan::Plan plan = make("FROM base\nRUN <<EOF\necho hi\nEOF\n");
  EXPECT_EQ(run_of(plan).argv.back(), "echo hi\n");
  plan = make("FROM base\nRUN <<EOF\n#!/bin/cat\nhi\nEOF\n");
  EXPECT_EQ(run_of(plan).argv.back(), "/dev/pipes/EOF");
  EXPECT_EQ(run_of(plan).script->content, "#!/bin/cat\nhi\n");
}

TEST_F(PlanTest, S6LaterStagesAndOneselfCannotBeCopiedFrom) {
  EXPECT_EQ(error_of("FROM base AS a\nCOPY --from=b /x /y\nFROM base AS b\nFROM a\n"),
            "stage-later");
  EXPECT_EQ(error_of("FROM base AS a\nCOPY --from=a /x /y\n"), "stage-cycle");
  EXPECT_EQ(error_of("FROM base\nCOPY --from=0 /x /y\n"), "stage-unknown");
}

TEST_F(PlanTest, TargetsAreFoundByNameAndIndex) {
  options.target = "A";
  EXPECT_EQ(make("FROM base AS a\nFROM base AS b\n").target, 0u);
  options.target = "1";
  EXPECT_EQ(make("FROM base AS a\nFROM base AS b\n").target, 1u);
  options.target = "c";
  EXPECT_EQ(error_of("FROM base AS a\n"), "target-missing");
}

TEST_F(PlanTest, M2HistoryNamesArgumentsOfRun) {
  plan::Plan plan = make("FROM base\nARG a=b\nRUN make\nENV c=d\n");
  const auto& history = plan.stages[0].history;
  EXPECT_EQ(history[1].created_by, "RUN |1 a=b /bin/sh -c make # buildkit");
  EXPECT_GE(history[1].step, 0);
  EXPECT_EQ(history[2].created_by, "ENV c=d");
  EXPECT_EQ(history[2].step, -1);
}

TEST_F(PlanTest, M2HistoryIsSpelledAsTheReferenceDoes) {
  auto history = [&](const std::string& lines) {
    std::vector<std::string> out;
    plan::Plan plan = make("FROM base\n" + lines);
    for (const auto& line : plan.stages[0].history) out.push_back(line.created_by);
    return out;
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(history("ARG u\nARG a=1\nARG u\nENV a=2\nRUN x\n").back(),
            "RUN |2 u= a=2 /bin/sh -c x # buildkit");
  EXPECT_EQ(history("COPY --link --parents --chmod=7 --chown=1 a b\n"),
            Lines{"COPY --parents --chown=1 --chmod=7 a b # buildkit"});
  EXPECT_EQ(history("ONBUILD RUN x\n"), Lines{});
  EXPECT_EQ(history("SHELL [\"/a b\", \"-c\"]\nCMD [\"\\u0001\\t\\\"\\\\\"]\n"),
            (Lines{"SHELL [/a b -c]", "CMD [\"\\x01\\t\\\"\\\\\"]"}));
  EXPECT_EQ(history("EXPOSE 9 80/udp 80 80\nVOLUME /w /v\n"),
            (Lines{"EXPOSE [80/tcp 80/tcp 80/udp 9/tcp]", "VOLUME [/w /v]"}));
  EXPECT_EQ(
      history("HEALTHCHECK --interval=1h2m3s4ms --timeout=500ms --start-period=1500us --retries=2 "
              "CMD a  b\n"),
      Lines{
          "HEALTHCHECK {Test:[CMD-SHELL a  b] Interval:1h2m3.004s Timeout:500ms StartPeriod:1.5ms "
          "StartInterval:0s Retries:2}"});
}

TEST_F(PlanTest, HostNetworkNeedsToBeAllowed) {
  EXPECT_EQ(error_of("FROM base\nRUN --network=host x\n"), "not-allowed");
  options.allow_host_network = true;
  EXPECT_EQ(run_of(make("FROM base\nRUN --network=host x\n")).network, "host");
}

TEST_F(PlanTest, C79UrlsAndRepositoriesOfOneAddBecomePartsOfItsStep) {
  plan::Plan made = make(
      "FROM base\n"
      "ADD a.tgz b https://h/dir/x.tar git@h:p.git#v1 c /to/\n"
      "ADD https://h/dir/x.tar /again\n");
  const CopyStep& add = copy_of(made);
  EXPECT_EQ(add.sources, (std::vector<std::string>{"a.tgz", "b"}));
  ASSERT_EQ(add.more.size(), 3u);
  EXPECT_EQ(std::get<plan::FromNamed>(add.more[0].from).name, made.remotes[0].name);
  EXPECT_EQ(add.more[0].unpack, false);
  EXPECT_EQ(add.more[1].sources, (std::vector<std::string>{"/"}));
  EXPECT_EQ(add.more[2].sources, (std::vector<std::string>{"c"}));
  ASSERT_EQ(made.remotes.size(), 2u);  // the same URL once
  EXPECT_EQ(made.remotes[1].address, "git@h:p.git#v1");
  EXPECT_EQ(made.remotes[1].kind, plan::Remote::Kind::kGit);
}

TEST_F(PlanTest, C71ChecksumsAreForRemoteSources) {
  std::string sum = "sha256:" + std::string(64, '0');
  EXPECT_EQ(error_of("FROM base\nADD --checksum=" + sum + " file /x\n"), "checksum-not-remote");
  EXPECT_EQ(error_of("FROM base\nADD --checksum=abcdef1 https://h/f /x\n"), "invalid-checksum");
  EXPECT_EQ(error_of("FROM base\nADD https://h/ /x/\n"), "url-without-name");
  EXPECT_EQ(
      make("FROM base\nARG S=" + sum + "\nADD --checksum=$S https://h/f /x\n").remotes[0].checksum,
      sum);
}

TEST_F(PlanTest, S9ContextsStandForImagesAndWholeStages) {
  options.contexts = {{"alpine", "docker-image://other:2"},
                      {"Files", "./dir"},
                      {"build", "oci-layout://d"},
                      {"app::linux/arm64", "docker-image://arm"}};
  plan::Plan made = make(
      "FROM docker.io/library/alpine:latest AS one\n"
      "FROM nowhere AS build\nRUN false\n"
      "FROM files AS root\n"
      "FROM --platform=linux/arm64 app AS arm\n"
      "FROM app\n"
      "COPY --from=one / /1\nCOPY --from=build / /2\nCOPY --from=root / /3\nCOPY --from=arm / "
      "/4\n");
  EXPECT_EQ(images.asked,
            (std::vector<std::string>{"docker.io/library/app:latest", "docker.io/library/other:2",
                                      "oci-layout://d", "docker.io/library/arm:latest"}));
  EXPECT_TRUE(made.stages[1].steps.empty());
  ASSERT_EQ(made.stages[2].steps.size(), 1u);
  EXPECT_EQ(made.contexts.at("files"), "./dir");
  EXPECT_EQ(error_of("FROM base\nCOPY --from=scratch / /\n"), "copy-from-scratch");
}

TEST_F(PlanTest, C76AHeredocIsAFileOfOneNameBelowTheDestination) {
  auto made = [&](const std::string& name) {
    return copy_of(make("FROM base\nCOPY <<" + name + " /d/\nx\n" + name + "\n")).files.at(0).name;
  };
  EXPECT_EQ(made("a.txt"), "a.txt");
  EXPECT_EQ(made("../../../etc"), "etc");
  EXPECT_EQ(made("/etc"), "etc");
  for (std::string name : {"..", ".", "/", "../..", "a/b", "/etc/passwd", "../../etc/passwd"})
    EXPECT_EQ(error_of("FROM base\nADD <<" + name + " /d/\nx\n" + name + "\n"), "heredoc-name")
        << name;
}

TEST_F(PlanTest, S4OneImageForTwoPlatformsIsTwoImages) {
  plan::Plan made = make("FROM --platform=linux/arm64 base AS a\nFROM base\nCOPY --from=a /x /y\n");
  EXPECT_EQ(made.images.size(), 2u);
}

TEST_F(PlanTest, R6AMountWithoutATargetIsAtTheWorkingDirectory) {
  plan::Plan made =
      make("FROM base\nWORKDIR /w\nRUN --mount=from=base --mount=type=cache,target=c true\n");
  const RunStep& run = run_of(made, 1);
  EXPECT_EQ(run.mounts[0].target, "/w");
  EXPECT_EQ(run.mounts[1].target, "/w/c");
  EXPECT_EQ(error_of("FROM base\nRUN --mount=type=bind true\n"), "mount-target-root");
}

TEST_F(PlanTest, LongValuesCannotBeRepeatedWithoutEnd) {
  std::string value(1000 * 1000, 'x');
  std::string labels = "FROM base\nARG A=" + value + "\n";
  for (int i = 0; i < 20; ++i) labels += base::str("LABEL l", i, "=$A\n");
  EXPECT_EQ(error_of(labels), "configuration-too-large");
  std::string runs = "FROM base\nENV A=" + value + "\n";
  for (int i = 0; i < 200; ++i) runs += "RUN true\n";
  EXPECT_EQ(error_of(runs), "expansion-too-large");
  std::string ports = "FROM base\nEXPOSE";
  for (int i = 0; i < 10000; ++i) ports += " 0-65535";
  EXPECT_EQ(error_of(ports + "\n"), "configuration-too-large");
  std::string stages = "FROM base AS s0\nENV A=" + value + "\n";
  for (int i = 0; i < 200; ++i) stages += base::str("FROM s", i, " AS s", i + 1, "\n");
  EXPECT_EQ(error_of(stages), "expansion-too-large");
}

TEST_F(PlanTest, WarningsHaveAnEnd) {
  std::string text = "FROM base\nLABEL x=\"";
  for (int i = 0; i < 20000; ++i) text += base::str("$v", i);
  plan::Plan made = make(text + "\"\n");
  EXPECT_EQ(made.warnings.size(), 10001u);
  EXPECT_EQ(made.warnings.back().id, "TooManyWarnings");
}

TEST_F(PlanTest, AVariableThatTheBaseImageRepeatsIsSetOnce) {
  images.config.env = {"A=1", "AB=1", "A=2", "C=1"};
  EXPECT_EQ(
      config_of(make("FROM base\nENV A=3\n")).env,
      (std::vector<std::string>{"A=3", "AB=1", "C=1", config_of(make("FROM base\n")).env.back()}));
}

TEST_F(PlanTest, ThousandsOfVariablesArePlanned) {
  std::string text = "FROM base\n";
  for (int i = 0; i < 3000; ++i) text += base::str("ENV A", i, "=", i, "\n");
  plan::Plan made = make(text + "ENV A7=x\nRUN true\n");
  EXPECT_EQ(run_of(made).env.size(), 3001u);
  EXPECT_TRUE(has(run_of(made).env, "A7=x"));
}

TEST_F(PlanTest, AnAbsoluteWorkdirIsKeptAsWrittenAndARelativeOneIsJoined) {
  plan::Plan made = make("FROM base\nWORKDIR /v/./w/\nRUN true\nCOPY a b\n");
  EXPECT_EQ(config_of(made).working_dir, "/v/./w/");
  EXPECT_EQ(run_of(made, 1).cwd, "/v/w");
  EXPECT_EQ(copy_of(made, 2).destination, "/v/w/b");
  EXPECT_EQ(config_of(make("FROM base\nWORKDIR /w/\nWORKDIR x/../y/\n")).working_dir, "/w/y");
}

TEST_F(PlanTest, AWorkdirThatIsEmptyStaysWhereItIs) {
  EXPECT_EQ(config_of(make("FROM base\nWORKDIR /w\nWORKDIR $NOTHING\n")).working_dir, "/w");
}

TEST_F(PlanTest, R6AgentSocketsAreNumbered) {
  plan::Plan made = make(
      "FROM base\nRUN --mount=type=ssh --mount=type=ssh,id=x,target=/s --mount=type=ssh,id=y "
      "true\n");
  const RunStep& run = run_of(made);
  EXPECT_EQ(run.mounts[0].target, "/run/buildkit/ssh_agent.0");
  EXPECT_EQ(run.mounts[1].target, "/s");
  EXPECT_EQ(run.mounts[2].target, "/run/buildkit/ssh_agent.2");
}

}  // namespace
