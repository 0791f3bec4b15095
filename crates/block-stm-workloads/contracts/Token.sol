// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "./Erc20.sol";

/// @title ERC-20 token whose owner may mint
contract Token is Erc20 {
    address public owner;

    error NotOwner(address caller);

    constructor(string memory name_, string memory symbol_) Erc20(name_, symbol_) {
        owner = msg.sender;
    }

    function mint(address to, uint256 amount) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        if (to == address(0)) revert ZeroAddress();
        _mint(to, amount);
    }
}
