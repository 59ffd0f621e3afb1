#include "cli/debug_oci.h"

#include <functional>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "base/error.h"
#include "store/oci/reference.h"
#include "store/oci/validate.h"

namespace cli {

namespace {

using nlohmann::json;

// Answers each line of `in`; a failure of one question does not end the conversation.
int answer(std::istream& in, std::ostream& out, const std::function<json(const json&)>& reply) {
  for (std::string line; std::getline(in, line);) {
    json result;
    try {
      result = reply(json::parse(line));
      result["ok"] = true;
    } catch (const std::exception& e) {
      result = {{"ok", false}, {"error", e.what()}};
    }
    out << result.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    out.flush();
  }
  return 0;
}

oci::DocumentType document_type(const std::string& name) {
  if (name == "manifest") return oci::DocumentType::kManifest;
  if (name == "index") return oci::DocumentType::kIndex;
  if (name == "config") return oci::DocumentType::kConfig;
  if (name == "layout") return oci::DocumentType::kLayout;
  if (name == "descriptor") return oci::DocumentType::kDescriptor;
  throw base::Error(base::Code::kInvalid, "unknown document type " + name);
}

}  // namespace

int debug_ref(std::istream& in, std::ostream& out) {
  return answer(in, out, [](const json& question) {
    oci::Reference ref = oci::Reference::parse(question.at("ref").get<std::string>());
    // The program whose answers the cases record knew no digest algorithm at all, so it refused
    // every digest. This command answers as it did; oci::Reference and all other commands take
    // them.
    if (ref.digest())
      throw base::Error(base::Code::kUnsupported, "debug ref does not answer for digests");
    return json{{"name", ref.name()}, {"tag", ref.tag()}, {"digest", ""}};
  });
}

int debug_validate(std::istream& in, std::ostream& out) {
  return answer(in, out, [](const json& question) {
    oci::validate_document(document_type(question.at("type").get<std::string>()),
                           question.at("json").get<std::string>());
    return json::object();
  });
}

}  // namespace cli
