#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/parser.h"

namespace dockerfile {

/// Which checks run, and whether a warning fails the build (section 13). Read from `# check=`, or
/// from the argument BUILDKIT_DOCKERFILE_CHECK, which takes precedence.
struct CheckConfig {
  std::set<std::string> skip;  ///< lower-case check names
  bool skip_all = false;
  std::set<std::string> experimental;  ///< lower-case names of experimental checks turned on
  bool experimental_all = false;
  bool error = false;  ///< any warning fails the build after all checks ran

  /// "skip=A,B;error=true;experimental=C", values `all` allowed. Throws Invalid, id
  /// "invalid-check".
  static CheckConfig parse(std::string_view text);

  /// Whether warnings of check `id` are wanted at all.
  bool wants(std::string_view id) const;
  /// The same for one instruction, which a comment `# check=skip=A` above it can exempt.
  bool wants(std::string_view id, const Instruction& instruction) const;
};

/// All checks that need only the recipe, in file order, as warnings. Instructions with errors are
/// passed over. Checks that need more (UndefinedVar, InvalidBaseImagePlatform, CopyIgnoredFile ...)
/// belong to whoever knows more, and ask CheckConfig::wants() first.
std::vector<Diagnostic> run_checks(const Recipe& recipe, const CheckConfig& config);

/// The configuration of a recipe: `argument` (BUILDKIT_DOCKERFILE_CHECK) if not empty, else its
/// `# check=`. Throws RecipeError at the directive when that is malformed.
CheckConfig check_config(const Recipe& recipe, std::string_view argument = {});

/// Names of arguments every recipe has in FROM lines without declaring them (A2).
const std::vector<std::string>& automatic_arguments();

/// Whether an ARG or ENV of this name looks like it holds a secret (check SecretsUsedInArgOrEnv).
bool looks_secret(std::string_view name);

}  // namespace dockerfile
