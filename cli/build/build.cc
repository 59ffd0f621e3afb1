#include "cli/build/build.h"

#include <algorithm>
#include <list>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/validate.h"
#include "builder/solve/finish.h"
#include "cli/build/build_attestations.h"
#include "cli/build/build_metadata.h"
#include "cli/build/build_options.h"
#include "cli/build/build_outputs.h"
#include "cli/build/build_recorder.h"
#include "cli/build/build_sources.h"
#include "cli/build/build_times.h"
#include "cli/build/build_views.h"
#include "cli/build/debug_shell.h"
#include "cli/build/early_push.h"
#include "cli/build/introspection.h"
#include "cli/build/lock_file.h"
#include "cli/build/plan_steps.h"
#include "cli/build/registry_cache.h"
#include "cli/build/step_counter.h"
#include "cli/containers/container_list.h"
#include "cli/containers/network_options.h"
#include "cli/images/base_images.h"
#include "cli/images/known_layers.h"
#include "cli/images/open_store.h"
#include "cli/images/registries.h"
#include "cli/interrupt.h"
#include "cli/remote/source_policy.h"
#include "runner/container/foreign_runtime.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

namespace event = base::event;

std::optional<Call> call_of(const Arguments& arguments) {
  if (auto text = arguments.find("call")) return parse_call(*text);
  if (arguments.is_on("check")) return Call{CallKind::kCheck, false};
  return std::nullopt;
}

std::vector<std::optional<oci::Platform>> platforms_of(const Arguments& arguments) {
  std::vector<std::optional<oci::Platform>> platforms;
  for (const std::string& list : arguments.all("platform"))
    for (const std::string& text : base::split(list, ',')) {
      std::optional<oci::Platform> platform =
          base::with_context("--platform", [&] { return oci::Platform::parse(base::trim(text)); });
      if (std::find(platforms.begin(), platforms.end(), platform) == platforms.end())
        platforms.push_back(platform);
    }
  if (platforms.empty()) platforms.emplace_back();
  return platforms;
}

bool keeps_git_directory(const plan::Options& planning) {
  auto given = planning.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  return given != planning.build_args.end() &&
         dockerfile::parse_bool(given->second).value_or(false);
}

// A shell needs the terminal to itself.
std::string progress_mode(const Arguments& arguments) {
  return arguments.has("debug-on-error") ? "plain" : arguments.get("progress");
}

/// A step that another OCI runtime starts.
launch::Container launch_by_runtime(store::Store& store, const std::string& program,
                                    launch::Spec spec, std::shared_ptr<void>& keep) {
  struct Bundle {
    Bundle(store::Store& store, const std::string& program, launch::Spec spec)
        : directory(store.create_staging("runtime")),
          runtime(program, store.layout(), directory.path(), std::move(spec)) {}
    store::StagingDir directory;
    container::ForeignRuntime runtime;
  };
  auto bundle = std::make_shared<Bundle>(store, program, std::move(spec));
  keep = bundle;
  return bundle->runtime.take();
}

class Build {
 public:
  Build(Context& context, const Arguments& arguments)
      : context_(context),
        arguments_(arguments),
        events_(context.make_progress(progress_mode(arguments))),
        planning_(plan_options(context, arguments)),
        form_(parse_image_form(arguments)),
        outputs_(parse_outputs(arguments, form_)),
        attest_(parse_attest(arguments)),
        platforms_(platforms_of(arguments)),
        targets_(parse_targets(arguments)),
        store_(make_store(context)),
        lease_(store_->lease()),
        recorder_(*events_, store_->layout().builds()),
        counter_(recorder_),
        registries_(context, arguments, interrupt_.token(), &recorder_) {
    recorder_.show_misses(arguments.is_on("explain"));
    store_->set_layer_provider([this](const std::vector<oci::DiffId>& stack) {
      fetch_known_layers(*store_, registries_, stack, transfer_options());
    });
    if (auto shell = arguments.find("debug-on-error")) debug_.emplace(context, *shell);
    if (arguments.is_on("push") && arguments.all("tag").empty())
      throw UsageError("--push needs a name to go to: --tag");
    require_places(arguments);
    if (writers_to_standard_output() > 1)
      throw UsageError("standard output can take one of --output, --trace and --report");
    for (const OutputSpec& spec : outputs_)
      if (targets_.size() > 1 && (spec.takes_place() || !spec.names.empty()))
        throw UsageError(
            "several --target cannot share one --output but store, registry and cacheonly without "
            "name=");
    if (attest_.any()) require_attestable(outputs_);
    if (targets_.size() > 1 && call_of(arguments))
      throw UsageError("--call and --check ask about one --target");
    if ((arguments.has("trace") || arguments.has("report")) && call_of(arguments))
      throw UsageError("--call and --check build nothing that --trace or --report could tell of");
  }

  int run() {
    if (auto time = arguments_.duration("timeout")) interrupt_.stop_after(*time);
    try {
      return build();
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kCancelled || !interrupt_.timed_out()) {
        tell_of_failure(e);
        throw;
      }
      base::Error late(
          base::Code::kFailed,
          "the build was stopped after " + arguments_.get("timeout") + ", as --timeout says",
          "build-timeout");
      tell_of_failure(late);
      throw late;
    }
  }

 private:
  int build() {
    solve::Secrets secrets = read_secrets(context_, arguments_);
    SshAgents agents(context_, arguments_, *store_);
    read_lock();
    policy_ = SourcePolicy::read(arguments_.all("policy"));
    Fetcher fetcher(*store_, {.secrets = secrets,
                              .ssh_agent = agents.for_git(),
                              .pinned = lock_.sources,
                              .locked = arguments_.is_on("locked"),
                              .policy = &policy_,
                              .events = &recorder_,
                              .stop = interrupt_.token(),
                              .retries = parse_retries(arguments_),
                              .waiting = notice_waits(events_.get())});
    read_recipe(fetcher);
    dockerfile::Recipe recipe = dockerfile::parse_and_validate(file_.text, file_.name);
    times_.read(context_, arguments_, file_, planning_);
    solving_ = solve_options(context_, arguments_, file_, interrupt_.token());
    if (!times_.rewrites()) solving_.created_mtime = times_.epoch();
    read_builder_arguments();
    if (std::optional<Call> call = call_of(arguments_))
      return answer_call(context_, *call, recipe, planning_, store_.get(), &solving_, &policy_);
    solving_.secrets = std::move(secrets);
    solving_.ssh_agents = agents.sockets();
    {
      ActivityScope activity(recorder_, "plan");
      plan_all(recipe, fetcher);
    }
    tell_inputs(fetcher);
    if (arguments_.has("report")) tell_context_use();
    counter_.set_filter([&](const event::Warning& warning) {
      return wants_warning(recipe, checks_, warning.id, warning.where);
    });
    open_shared_cache();
    announce();
    try {
      if (checks_.error && !warnings_.empty())
        throw base::Error(base::Code::kInvalid, "the recipe has warnings and asks for error=true",
                          "check-failed");
      begin_early_push();
      for (Planned& planned : plans_) solve_one(planned);
      finish_early_push();
      attest(fetcher);
      for (BuildTarget& target : targets_) write_outputs(target);
      tell_layers();
      write_records(fetcher);
      if (shared_cache_) shared_cache_->require_offered();
    } catch (base::Error& e) {
      if (e.code() == base::Code::kCancelled && interrupt_.signal() != 0)
        e.set_exit_status(128 + interrupt_.signal());
      recorder_.emit(summary());
      if (auto step = recorder_.failed_step_with_log())
        e.add_fact(
            base::str("full log: torte builds logs ", recorder_.short_id(), " --step ", *step));
      throw;
    }
    end_.succeeded = true;
    recorder_.emit(summary());
    is_over_ = true;
    recorder_.end(nullptr);
    recorder_.keep();
    write_views();
    if (context_.quiet && writers_to_standard_output() == 0)
      for (const BuildTarget& target : targets_) context_.out(target.image_id + "\n");
    return 0;
  }

  void write_views() { write_build_views(context_, arguments_, recorder_.record(), *store_); }

  // The record of a build that came as far as its steps, and what was asked for of any. What goes
  // wrong here must not hide why the build failed.
  void tell_of_failure(const base::Error& error) {
    if (is_over_) return;
    recorder_.end(&error);
    if (is_announced_) recorder_.keep();
    try {
      write_views();
    } catch (const base::Error& e) {
      events_->emit(event::Note{e.what()});
    }
  }

  struct Planned {
    BuildTarget* target;
    plan::Plan plan;
    std::map<std::string, solve::LocalTree> trees;
    int offset = 0;
    std::optional<solve::Result> result;
  };

  void read_lock() {
    auto path = arguments_.find("lock");
    if (arguments_.is_on("locked") && !path) throw UsageError("--locked needs --lock FILE");
    if (path) lock_ = LockFile::read(*path, arguments_.is_on("locked"));
  }

  void read_recipe(Fetcher& fetcher) {
    std::vector<std::string> files = arguments_.all("file");
    file_ = find_recipe({.file = files.empty() ? std::nullopt : std::optional(files.front()),
                         .more_files = {files.begin() + (files.empty() ? 0 : 1), files.end()},
                         .context = arguments_.word(0).empty() ? "." : arguments_.word(0),
                         .ignore_file = arguments_.find("ignorefile"),
                         .keep_git_dir = keeps_git_directory(planning_),
                         .in_fd = context_.in_fd,
                         .policy = &policy_},
                        fetcher);
    if (!file_.other_name.empty())
      events_->emit(
          event::Note{base::str("using ", file_.name, "; ", file_.other_name, " is there too")});
    if (file_.ignore_text)
      ignore_ = dockerfile::IgnoreMatcher(
          dockerfile::read_ignore_file(*file_.ignore_text, file_.ignore_name));
    planning_.ignore = &ignore_;
  }

  // Build arguments that are for torte itself. [A8]
  void read_builder_arguments() {
    auto given = [&](const char* name) -> std::string {
      auto found = planning_.build_args.find(name);
      return found == planning_.build_args.end() ? "" : found->second;
    };
    solving_.cache_mount_namespace = given("BUILDKIT_CACHE_MOUNT_NS");
    if (std::string name = given("BUILDKIT_SANDBOX_HOSTNAME");
        !name.empty() && !arguments_.has("hostname"))
      solving_.hostname = name;
  }

  // --- planning

  void plan_all(const dockerfile::Recipe& recipe, Fetcher& fetcher) {
    checks_ = dockerfile::check_config(recipe, planning_.build_args["BUILDKIT_DOCKERFILE_CHECK"]);
    StoreImages stored(*store_, registries_, parse_pull_policy(arguments_.get("pull", "missing")),
                       transfer_options());
    LayoutImages layouts(*store_, stored);
    LockedImages locked(*store_, layouts, lock_, arguments_.is_on("locked"));
    PolicyImages images(policy_, locked, events_.get());
    std::vector<dockerfile::Diagnostic> planned;
    int steps = 0;
    for (BuildTarget& target : targets_)
      for (const std::optional<oci::Platform>& platform : platforms_) {
        planning_.target = target.stage;
        planning_.platform = platform;
        Planned& next = plans_.emplace_back(&target);
        next.plan = make_plan(recipe, images);
        next.trees = provide_trees(next.plan, fetcher, policy_);
        next.offset = steps;
        steps += next.plan.steps;
        planned.insert(planned.end(), next.plan.warnings.begin(), next.plan.warnings.end());
      }
    times_.follow(plans_.front().plan, planning_, fetcher);
    warnings_ = all_warnings(recipe, checks_, planned);
    resolved_images_ = locked.resolved();
  }

  std::vector<std::string> unknown_to_from(const dockerfile::Recipe& recipe,
                                           const base::SourceRange& where) const {
    std::vector<std::string> texts;
    for (const dockerfile::Diagnostic& warning : dockerfile::run_checks(recipe, checks_)) {
      if (warning.id != "UndefinedArgInFrom" || warning.where.first_line != where.first_line)
        continue;
      texts.push_back(warning.message);
      texts.insert(texts.end(), warning.helps.begin(), warning.helps.end());
    }
    return texts;
  }

  // What FROM does not know may be why there is no such image.
  plan::Plan make_plan(const dockerfile::Recipe& recipe, plan::BaseImages& images) const {
    try {
      return plan::make_plan(recipe, planning_, images);
    } catch (const dockerfile::RecipeError& e) {
      std::vector<dockerfile::Diagnostic> problems = e.diagnostics();
      for (dockerfile::Diagnostic& problem : problems)
        for (std::string& text : unknown_to_from(recipe, problem.where))
          problem.helps.push_back(std::move(text));
      throw dockerfile::RecipeError(std::move(problems));
    } catch (base::Error& e) {
      if (e.place())
        for (const std::string& text : unknown_to_from(recipe, e.place()->where)) e.add_help(text);
      throw;
    }
  }

  std::string shown_tag() const {
    const std::vector<std::string> tags = arguments_.all("tag");
    return targets_.size() > 1 ? base::join(tags, ", ") : tags.empty() ? "" : tags.front();
  }

  void announce() {
    is_announced_ = true;
    std::string platforms;
    for (const Planned& planned : plans_)
      if (planned.target == &targets_.front())
        platforms += (platforms.empty() ? "" : ",") +
                     planned.plan.stages[planned.plan.target].platform.str();
    const Planned& last = plans_.back();
    recorder_.emit(
        event::BuildStart{shown_tag(), platforms, file_.name, last.offset + last.plan.steps});
    for (const Planned& planned : plans_)
      for (event::StepPlanned& step :
           planned_steps(planned.plan, planned.offset, platforms_.size() > 1))
        recorder_.emit(std::move(step));
    for (const dockerfile::Diagnostic& warning : warnings_)
      recorder_.emit(event::Warning{warning.id, warning.message, warning.where, true});
  }

  // --- solving and what follows

  bool wants_image() const {
    return std::any_of(outputs_.begin(), outputs_.end(),
                       [](const OutputSpec& spec) { return spec.is_image(); });
  }
  size_t writers_to_standard_output() const {
    const auto writes = [](const OutputSpec& spec) { return spec.dest == "-"; };
    return static_cast<size_t>(std::count_if(outputs_.begin(), outputs_.end(), writes)) +
           views_on_standard_output(arguments_);
  }
  // The usual case: one image, one name in the store. The solver then writes all of it at once.
  bool is_plain() const {
    return platforms_.size() == 1 && outputs_.size() == 1 &&
           outputs_[0].type == OutputSpec::Type::kStore && outputs_[0].names.empty() &&
           !form_.is_special();
  }

  solve::FinishOptions finish_options() const {
    solve::FinishOptions finishing;
    std::string squash = arguments_.get("squash");
    if (!squash.empty())
      finishing.squash =
          squash == "all" ? solve::FinishOptions::Squash::kAll : solve::FinishOptions::Squash::kNew;
    if (times_.rewrites()) finishing.latest_mtime = times_.epoch();
    return finishing;
  }

  // Layers of a build that is pushed go ahead of their image, unless its form is decided at the
  // end.
  void begin_early_push() {
    auto pushes = [](const OutputSpec& spec) { return spec.type == OutputSpec::Type::kRegistry; };
    auto pushed = std::find_if(outputs_.begin(), outputs_.end(), pushes);
    if (pushed == outputs_.end() || plans_.size() > 1 || form_.is_special() ||
        finish_options().wants_anything())
      return;
    std::vector<oci::Reference> names;
    for (const std::vector<std::string>& some : {arguments_.all("tag"), pushed->names})
      for (const std::string& name : some)
        names.push_back(oci::Reference::parse(name).with_default_tag());
    early_push_.emplace(*store_, registries_, std::move(names), form_.packing, transfer_options());
    solving_.published = [this](const oci::DiffId& layer) { early_push_->add(layer); };
  }

  void solve_one(Planned& planned) {
    solve::Options options = solving_;
    options.named_contexts = planned.trees;
    options.source_date_epoch = times_.epoch();
    options.log_directory = recorder_.directory();
    options.log_offset = planned.offset;
    options.keep_failed = arguments_.is_on("keep-failed");
    if (debug_)
      options.on_failure = [this](const base::Error& error, const auto& shell) {
        return debug_->ask(error, shell);
      };
    if (arguments_.has("runtime"))
      options.launcher = [this, program = arguments_.get("runtime")](launch::Spec spec,
                                                                     std::shared_ptr<void>& keep) {
        return launch_by_runtime(*store_, program, std::move(spec), keep);
      };
    if (!times_.rewrites()) options.created_mtime = times_.epoch();
    if (platforms_.size() > 1)
      options.slot += " " + planned.plan.stages[planned.plan.target].platform.str();
    solve::FinishOptions finishing = finish_options();
    if (is_plain())
      for (const std::string& tag : planned.target->tags)
        options.names.push_back(oci::Reference::parse(tag).with_default_tag().str());
    options.keep_image = wants_image() && !finishing.wants_anything();
    options.reads_result = !is_plain() || finishing.wants_anything() || arguments_.has("cache-to");
    if (finishing.wants_anything()) finishing.names = std::exchange(options.names, {});
    counter_.set_offset(planned.offset);
    solve::Result result = solve::solve(planned.plan, options, *store_, counter_);
    bool kept = options.keep_image;
    if (finishing.wants_anything()) {
      result = solve::finish(std::move(result), finishing, *store_);
      kept = true;
    }
    const plan::Stage& target = planned.plan.stages[planned.plan.target];
    BuiltImage image{target.platform, {}, result.layers, result.base_layers};
    if (finishing.squash == solve::FinishOptions::Squash::kAll) image.base_layers = 0;
    if (kept) image.id = result.image;
    planned.target->images.push_back(std::move(image));
    std::string& id = planned.target->image_id;
    if (kept || id.empty()) id = result.image.str();
    end_.image_id = id;
    end_.size_bytes += result.size_bytes;
    end_.new_bytes += result.new_bytes;
    planned.result = std::move(result);
  }

  void finish_early_push() {
    if (!early_push_) return;
    ActivityScope activity(recorder_, "push layers");
    early_push_->finish();
  }

  void attest(const Fetcher& fetcher) {
    if (!attest_.any()) return;
    ActivityScope activity(recorder_, "attest");
    attest_images(attest_, facts(fetcher), recorder_);
  }

  void write_outputs(BuildTarget& target) {
    OutputOptions options;
    options.form = form_;
    options.names = target.tags;
    options.source_date_epoch = times_.epoch();
    for (const std::string& entitlement : arguments_.all("allow"))
      options.allow_delete |= entitlement == "local.delete";
    options.transfer = transfer_options();
    options.registries = &registries_;
    if (shared_cache_ && target.images.size() == 1)
      if (auto keys = shared_cache_->inline_annotation(target.images.front().layers))
        options.form.annotations.push_back({"manifest", {}, keys->first, keys->second});
    if (is_plain() && !options.form.is_special()) return;
    ActivityScope activity(recorder_, "export");
    for (const OutputSpec& spec : outputs_) {
      WrittenImage written = write_output(context_, spec, target.images, *store_, options);
      if (written.descriptor) target.descriptor = written.descriptor;
    }
  }

  TransferOptions transfer_options() {
    TransferOptions options;
    options.stop = interrupt_.token();
    options.events = &recorder_;
    return options;
  }

  // The build argument BUILDKIT_INLINE_CACHE, where there is one image that can tell its steps.
  // [A8]
  bool wants_inline_cache() const {
    auto given = planning_.build_args.find("BUILDKIT_INLINE_CACHE");
    return given != planning_.build_args.end() && plans_.size() == 1 &&
           dockerfile::parse_bool(given->second).value_or(false);
  }

  void open_shared_cache() {
    std::vector<CacheSpec> from;
    std::vector<CacheSpec> to;
    for (const std::string& text : arguments_.all("cache-from")) {
      from.push_back(CacheSpec::parse(text, "cache-from"));
      if (auto& repository = from.back().repository)
        repository = oci::Reference::parse(policy_.image(repository->str(), events_.get()));
    }
    for (const std::string& text : arguments_.all("cache-to"))
      to.push_back(CacheSpec::parse(text, "cache-to"));
    if (wants_inline_cache()) to.push_back({.type = CacheSpec::Type::kInline});
    if (from.empty() && to.empty()) return;
    for (const CacheSpec& spec : to)
      if (spec.type == CacheSpec::Type::kInline && plans_.size() > 1)
        throw base::Error(base::Code::kUnsupported,
                          "--cache-to type=inline for several platforms or targets is not built",
                          "not-built");
    solving_.shared_cache =
        &shared_cache_.emplace(*store_, registries_, from, to, transfer_options());
  }

  event::BuildEnd summary() {
    end_.steps = counter_.steps();
    end_.cached = counter_.cached();
    end_.warnings = static_cast<int>(warnings_.size()) + counter_.warnings();
    if (end_.succeeded) end_.tag = shown_tag();
    return end_;
  }

  // --- records: id, metadata, lock, attestations

  BuildFacts facts(const Fetcher& fetcher) {
    summary();
    return {file_,
            planning_,
            targets_,
            end_,
            times_.epoch(),
            resolved_images_,
            fetcher.resolved(),
            warnings_,
            *store_,
            recorder_.directory().filename().string(),
            recorder_.started(),
            std::chrono::system_clock::now(),
            attest_.provenance == AttestOptions::Provenance::kMax};
  }

  void tell_inputs(const Fetcher& fetcher) {
    BuildRecorder::Inputs inputs{file_.context_name, resolved_images_, fetcher.resolved(), {}, {}};
    for (const auto& [id, bytes] : solving_.secrets) inputs.secrets.push_back(id);
    for (const auto& [name, value] : planning_.build_args)
      if (!value.empty()) inputs.arguments.push_back(name);
    recorder_.set_inputs(std::move(inputs));
  }

  // Walks all of the context, which nothing but the report asks for. What goes wrong there is not
  // the build's concern.
  void tell_context_use() {
    if (solving_.context.empty() || solving_.context_is_temporary) return;
    try {
      solve::Options options = solving_;
      options.named_contexts = plans_.front().trees;
      recorder_.set_context_use(context_use(plans_.front().plan, options, *store_));
    } catch (const base::Error& e) {
      events_->emit(event::Note{base::str("the report lacks the context: ", e.what())});
    }
  }

  // Of the first image: the others mostly share them.
  void tell_layers() {
    const Planned& planned = plans_.front();
    if (targets_.front().images.empty() || !planned.result) return;
    recorder_.set_layers(layers_of(planned.plan, targets_.front().images.front(), *store_));
  }

  void write_records(Fetcher& fetcher) {
    if (auto path = arguments_.find("lock"); path && !arguments_.is_on("locked")) {
      LockFile fresh;
      fresh.images = resolved_images_;
      fresh.sources = fetcher.resolved();
      fresh.write(*path);
    }
    if (auto path = arguments_.find("iidfile")) {
      std::vector<std::string> ids;
      for (const BuildTarget& target : targets_)
        ids.push_back(platforms_.size() > 1 && target.descriptor ? target.descriptor->digest.str()
                                                                 : target.image_id);
      sys::write_file_durably(*path, base::join(ids, "\n"), 0644);
    }
    if (auto path = arguments_.find("metadata-file"))
      sys::write_file_durably(*path, build_metadata(facts(fetcher)), 0644);
  }

  Context& context_;
  const Arguments& arguments_;
  Interrupt interrupt_;  // before anything that starts a thread
  std::unique_ptr<base::EventSink> events_;
  plan::Options planning_;
  ImageForm form_;
  std::vector<OutputSpec> outputs_;
  AttestOptions attest_;
  std::vector<std::optional<oci::Platform>> platforms_;
  std::vector<BuildTarget> targets_;
  std::unique_ptr<store::Store> store_;
  store::Lease lease_;
  BuildRecorder recorder_;
  StepCounter counter_;
  Registries registries_;
  std::optional<RegistryCache> shared_cache_;
  std::optional<EarlyPush> early_push_;
  std::optional<DebugShell> debug_;
  LockFile lock_;
  SourcePolicy policy_;
  RecipeFile file_;
  dockerfile::IgnoreMatcher ignore_;
  BuildTimes times_;
  solve::Options solving_;
  dockerfile::CheckConfig checks_;
  std::vector<dockerfile::Diagnostic> warnings_;
  std::map<std::string, std::string> resolved_images_;
  std::list<Planned> plans_;
  event::BuildEnd end_;
  bool is_announced_ = false;
  bool is_over_ = false;
};

}  // namespace

int run_build(Context& context, const Arguments& arguments) {
  // While there is one thread, and before the store is opened.
  enter_user_namespace_for(context, {step_network(arguments)});
  if (arguments.has("runtime")) container::ForeignRuntime::leave_host_mounts();
  return Build(context, arguments).run();
}

}  // namespace cli
