#include "passes/core/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cassert>

namespace lathe {
namespace {

using Kind = PatNode::Kind;

std::shared_ptr<PatNode> node(Kind kind) {
  auto p = std::make_shared<PatNode>();
  p->kind = kind;
  return p;
}

// Merges a factor (or its inverse) into a product in normal form.
void multiply(PatNode& product, const Pat& factor, int exponent) {
  if (factor->kind == Kind::scalar) {
    product.number = exponent > 0 ? product.number * factor->number : product.number / factor->number;
  } else if (factor->kind == Kind::number) {
    assert(product.num == 0 && exponent > 0);
    product.num = factor->num;
  } else if (factor->kind == Kind::product && factor->num == 0) {
    product.number = exponent > 0 ? product.number * factor->number : product.number / factor->number;
    for (size_t i = 0; i < factor->parts.size(); ++i) {
      product.parts.push_back(factor->parts[i]);
      product.signs.push_back(exponent * factor->signs[i]);
    }
  } else {
    product.parts.push_back(factor);
    product.signs.push_back(exponent);
  }
}

void add(PatNode& sum, const Pat& term, int sign) {
  if (term->kind == Kind::scalar) {
    sum.number += sign * term->number;
  } else if (term->kind == Kind::number) {
    assert(sum.num == 0 && sign > 0);
    sum.num = term->num;
  } else if (term->kind == Kind::sum && term->num == 0) {
    sum.number += sign * term->number;
    for (size_t i = 0; i < term->parts.size(); ++i) {
      sum.parts.push_back(term->parts[i]);
      sum.signs.push_back(sign * term->signs[i]);
    }
  } else {
    sum.parts.push_back(term);
    sum.signs.push_back(sign);
  }
}

}  // namespace

Var::Var() {
  static std::atomic<uint32_t> next{1};
  id_ = next++;
}

Num::Num() {
  static std::atomic<uint32_t> next{1};
  id_ = next++;
}

Pat::Pat(Num n) {
  auto p = node(Kind::number);
  p->num = n.id();
  p_ = p;
}

Pat::Pat(Var v) {
  auto p = node(Kind::var);
  p->var = v.id();
  p_ = p;
}

Pat::Pat(double scalar) {
  auto p = node(Kind::scalar);
  p->number = scalar;
  p_ = p;
}

Pat op(std::string type, std::vector<Pat> operands, std::vector<AttrWant> attrs, std::string domain) {
  auto p = node(Kind::op);
  p->type = std::move(type);
  p->domain = std::move(domain);
  p->parts = std::move(operands);
  p->attrs = std::move(attrs);
  return Pat(std::move(p));
}

Pat commutative_op(std::string type, Pat a, Pat b) {
  auto p = node(Kind::op);
  p->type = std::move(type);
  p->parts = {std::move(a), std::move(b)};
  p->commutative = true;
  return Pat(std::move(p));
}

Pat bind(Var v, const Pat& pattern) {
  auto p = std::make_shared<PatNode>(*pattern);
  p->var = v.id();
  return Pat(std::move(p));
}

Pat constant(Var v) {
  auto p = node(Kind::constant);
  p->var = v.id();
  return Pat(std::move(p));
}

Pat one_of(std::vector<Pat> alternatives) {
  auto p = node(Kind::one_of);
  p->parts = std::move(alternatives);
  return Pat(std::move(p));
}

Pat maybe(std::string type, Pat inner) {
  auto p = node(Kind::maybe);
  p->type = std::move(type);
  p->parts = {std::move(inner)};
  return Pat(std::move(p));
}

Pat square(const Pat& x) { return one_of({op("Pow", {x, 2.0}), op("Mul", {x, x})}); }
Pat square_root(const Pat& x) { return one_of({op("Sqrt", {x}), op("Pow", {x, 0.5})}); }

Pat operator*(const Pat& a, const Pat& b) {
  auto p = node(Kind::product);
  p->number = 1;
  multiply(*p, a, 1);
  multiply(*p, b, 1);
  return Pat(std::move(p));
}

Pat operator/(const Pat& a, const Pat& b) {
  auto p = node(Kind::product);
  p->number = 1;
  multiply(*p, a, 1);
  multiply(*p, b, -1);
  return Pat(std::move(p));
}

Pat operator+(const Pat& a, const Pat& b) {
  auto p = node(Kind::sum);
  add(*p, a, 1);
  add(*p, b, 1);
  return Pat(std::move(p));
}

Pat operator-(const Pat& a, const Pat& b) {
  auto p = node(Kind::sum);
  add(*p, a, 1);
  add(*p, b, -1);
  return Pat(std::move(p));
}

std::vector<std::string> root_ops(const Pat& p) {
  switch (p->kind) {
    case Kind::op:
      return {p->domain.empty() ? p->type : p->domain + "::" + p->type};
    case Kind::product:
      return {"Mul", "Div"};
    case Kind::sum:
      return {"Add", "Sub"};
    case Kind::maybe: {
      auto out = root_ops(p->parts[0]);
      out.push_back(p->type);
      return out;
    }
    case Kind::one_of: {
      std::vector<std::string> out;
      for (const Pat& a : p->parts)
        for (auto& r : root_ops(a))
          if (std::find(out.begin(), out.end(), r) == out.end()) out.push_back(r);
      return out;
    }
    default:
      return {};
  }
}

std::string to_string(const Pat& p) {
  const auto list = [&](const char* separator) {
    std::string s;
    for (size_t i = 0; i < p->parts.size(); ++i) s += (i > 0 ? separator : "") + to_string(p->parts[i]);
    return s;
  };
  switch (p->kind) {
    case Kind::var:
      return fmt::format("v{}", p->var);
    case Kind::constant:
      return fmt::format("const v{}", p->var);
    case Kind::scalar:
      return fmt::format("{}", p->number);
    case Kind::number:
      return fmt::format("number n{}", p->num);
    case Kind::op:
      return p->type + "(" + list(", ") + ")";
    case Kind::maybe:
      return p->type + "?(" + list("") + ")";
    case Kind::one_of:
      return "(" + list(" | ") + ")";
    case Kind::product:
    case Kind::sum: {
      const bool product = p->kind == Kind::product;
      std::string s;
      if (p->num != 0)
        s = fmt::format("number n{}", p->num);
      else if (p->number != (product ? 1.0 : 0.0))
        s = fmt::format("{}", p->number);
      for (size_t i = 0; i < p->parts.size(); ++i) {
        if (!s.empty() || p->signs[i] < 0)
          s += product ? (p->signs[i] > 0 ? " * " : " / ") : (p->signs[i] > 0 ? " + " : " - ");
        s += to_string(p->parts[i]);
      }
      return "(" + s + ")";
    }
  }
  return "?";
}

int op_count(const Pat& p) {
  int inner = 0;
  for (const Pat& q : p->parts) inner += op_count(q);
  switch (p->kind) {
    case Kind::op:
      return 1 + inner;
    case Kind::product:
      return std::max<int>(1, static_cast<int>(p->parts.size()) - 1 + (p->number != 1 || p->num != 0)) +
             inner;
    case Kind::sum:
      return std::max<int>(1, static_cast<int>(p->parts.size()) - 1 + (p->number != 0 || p->num != 0)) +
             inner;
    case Kind::one_of: {
      int least = p->parts.empty() ? 0 : op_count(p->parts[0]);
      for (const Pat& q : p->parts) least = std::min(least, op_count(q));
      return least;
    }
    default:
      return inner;
  }
}

}  // namespace lathe
