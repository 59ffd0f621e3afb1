#pragma once

namespace network {

/// Whether this machine lets through what a network of ours sends elsewhere. Tried by a connection
/// between two namespaces on bridges of their own, which are gone afterwards, because no rules of a
/// firewall need to be understood for that; where they drop it, it takes a second. Throws
/// SystemError where such interfaces cannot be made. [spec/network.md 3]
bool forwards_packets();

}  // namespace network
