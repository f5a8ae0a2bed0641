#define QSBR
#include "urcu.cpp"
