// A loop over std::function.
#include "rival.hpp"

namespace {

struct Floor {
    static std::string name() { return "C++ bare loop"; }
    static constexpr const char* about = "a loop over `std::vector<std::function>`, which keeps small receivers inline";
    static constexpr bool changes = false;
    static constexpr const char* not_shared = "";

    struct Held {};
    struct Local {
        explicit Local(Floor&) {}
    };

    std::vector<std::function<void(const u64&)>> receivers;

    Floor(u64 n, std::vector<Held>&) {
        for (u64 c = 0; c < n; c++) receivers.emplace_back([c](const u64& x) { work(c, x); });
    }

    void send(Local&) {
        u64 x = 1;
        for (auto& receiver : receivers) receiver(x);
    }
};

Registered<Floor> registered;

}
