#include <boost/signals2.hpp>
#include <boost/version.hpp>

#include "rival.hpp"

namespace {

struct Boost {
    static std::string name() {
        return "Boost.Signals2 " + std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000);
    }
    static constexpr const char* about =
        "a lock for the snapshot and one for each receiver; tracks objects, combines responses, has groups";
    static constexpr bool changes = true;
    static constexpr const char* not_shared = "";

    using Held = boost::signals2::connection;
    struct Local {
        explicit Local(Boost&) {}
    };

    boost::signals2::signal<void(const u64&)> signal;

    Boost(u64 n, std::vector<Held>& held) {
        for (u64 c = 0; c < n; c++) held.push_back(connect(c));
    }

    void send(Local&) { signal(1); }
    Held connect(u64 c) {
        return signal.connect([c](const u64& x) { work(c, x); });
    }
    void disconnect(const Held& held) { held.disconnect(); }
};

Registered<Boost> registered;

}
